/**
 * One Include in the user's ~/.ssh/config, between two marker lines at its top: put in and taken out on request only, and
 * every other byte of the file stays as it is.
 */
import { chmod, lstat, mkdir, open, readFile, readlink, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { BangerError } from "../core/errors.ts";
import { exists, publishFile } from "./files.ts";
import { configQuote } from "./ssh-config.ts";

const BEGIN = "# >>> banger >>> (banger ssh-config --uninstall takes these lines out)";
const END = "# <<< banger <<<";
/** How many symlinks are followed to the file; the kernel's own limit. */
const MAX_LINKS = 40;

/** The user's own ssh configuration below that home. */
export const userSshConfig = (home: string) => join(home, ".ssh", "config");

/** The line that includes banger's configuration. */
export const includeLine = (target: string) => `Include ${configQuote(target)}`;

/** `other`: there is a block of banger's, but for another configuration. */
export type IncludeState = "present" | "absent" | "other";

/** @throws ssh_config_unusable when the file cannot be read or its markers are damaged */
export async function includeState(home: string, target: string): Promise<IncludeState> {
  const content = await read(await followLinks(userSshConfig(home)));
  const { before, after } = splitBlock(content ?? "", userSshConfig(home));
  if (content === null || before + after === content) return "absent";
  return content.includes(block(target)) ? "present" : "other";
}

/**
 * Puts the Include at the top; the file (0600) and its folder (0700) are made when they are missing.
 * @returns false when it was there already
 */
export async function installInclude(home: string, target: string): Promise<boolean> {
  const file = await followLinks(userSshConfig(home));
  const content = await read(file);
  const { before, after } = splitBlock(content ?? "", file);
  const wanted = block(target) + before + after;
  if (content === wanted) return false;
  await replace(file, wanted);
  return true;
}

/** Takes the Include out. @returns false when there was none */
export async function uninstallInclude(home: string): Promise<boolean> {
  const file = await followLinks(userSshConfig(home));
  const content = await read(file);
  if (content === null) return false;
  const { before, after } = splitBlock(content, file);
  if (before + after === content) return false;
  await replace(file, before + after);
  return true;
}

const block = (target: string) => `${BEGIN}\n${includeLine(target)}\n${END}\n`;

/** What stands before and after banger's lines; all of it before when there are none. Pure. @throws ssh_config_unusable */
function splitBlock(content: string, file: string): { before: string; after: string } {
  const lines = content.split(/(?<=\n)/);
  const at = (marker: string) =>
    lines.flatMap((line, index) => (line.replace(/\r?\n$/, "") === marker ? [index] : []));
  const [begins, ends] = [at(BEGIN), at(END)];
  const [begin, end] = [begins[0], ends[0]];
  if (begin === undefined && end === undefined) return { before: content, after: "" };
  if (begin === undefined || end === undefined || end < begin || begins.length > 1 || ends.length > 1) {
    throw unusable(
      file,
      "banger's two marker lines in it are not a pair",
      "put them right or take them out by hand",
    );
  }
  return { before: lines.slice(0, begin).join(""), after: lines.slice(end + 1).join("") };
}

/** As Latin-1, so that every byte comes back as it was. */
async function read(file: string): Promise<string | null> {
  return readFile(file, "latin1").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw unusable(file, `it cannot be read: ${error.message}`, "put the line in by hand");
  });
}

/** What the path leads to in the end; a link to a file that is not there yet is followed, too. */
async function followLinks(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const info = await lstat(at).catch(() => null);
    if (!info?.isSymbolicLink()) return at;
    at = resolve(dirname(at), await readlink(at));
  }
  throw unusable(path, "it is a symlink that leads nowhere", "make it a file");
}

async function replace(file: string, content: string): Promise<void> {
  const info = await stat(file).catch(() => null);
  if (info && process.getuid && info.uid !== process.getuid()) {
    throw unusable(file, `it belongs to uid ${info.uid}`, "put the line in as that user");
  }
  const mode = info ? info.mode & 0o7777 : 0o600;
  try {
    if (!(await exists(dirname(file)))) await mkdir(dirname(file), { mode: 0o700 });
    await publishFile(file, async (temporary) => {
      await using handle = await open(temporary, "wx", 0o600);
      await handle.writeFile(content, "latin1");
      await chmod(temporary, mode); // exactly as it was, whatever the umask
    });
  } catch (error) {
    if (error instanceof BangerError) throw error;
    throw unusable(file, `it cannot be written: ${(error as Error).message}`, "put the line in by hand");
  }
}

const unusable = (file: string, problem: string, hint: string) =>
  BangerError.of("ssh_config_unusable", { file, problem, hint });
