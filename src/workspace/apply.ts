/** Applies a guest's changes to the host's work tree: checked first, and all of it or nothing. */
import { chmod, copyFile, lstat, mkdtemp, readdir, readlink, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../core/errors.ts";
import { openPatch } from "../git/patch.ts";
import type { Shadow } from "../git/shadow.ts";
import { bytePath, readable } from "../git/work-tree.ts";
import { explainGit } from "../host/git.ts";
import { ProcessError } from "../host/run.ts";

interface Trees {
  readonly from: string;
  readonly to: string;
}

const SHOWN = 10;

/** @param paths that the patch changes @throws workspace_conflict naming the files that stand in the way; nothing is changed then */
export async function applyToHost(
  shadow: Shadow,
  trees: Trees,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  if (paths.length === 0) return;
  await runApply(shadow, trees, ["--check"], signal);
  const folder = await mkdtemp(`${shadow.directory}-backup-`);
  try {
    const kept = await keep(shadow.repository.root, paths, folder);
    signal.throwIfAborted();
    // From here on the host's files change: not to be cut off, and put back when the disk fails in the middle.
    await runApply(shadow, trees, []).catch(async (error: unknown) => {
      await putBack(shadow.repository.root, kept);
      throw error;
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runApply(
  shadow: Shadow,
  { from, to }: Trees,
  more: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  const patch = openPatch(shadow, from, to, signal);
  const args = ["apply", "--binary", "--whitespace=nowarn", ...more, "-"];
  const apply = shadow.open(args, { signal });
  apply.stdout.resume();
  await pipeline(patch.stdout, apply.stdin).catch(() => {}); // git's exit status tells why
  await apply.ended.catch((error: unknown) => {
    signal?.throwIfAborted();
    throw conflict(shadow.repository.root, error) ?? explainGit(args, error);
  });
  await patch.ended;
}

/** git's complaints as a list of files. */
function conflict(root: string, error: unknown): BangerError | null {
  if (!(error instanceof ProcessError) || error.code !== 1) return null;
  const paths = error.stderr.split("\n").flatMap((line) => {
    const match = /^error: (?:patch failed: (.*):\d+|(.*): [^:]+)$/.exec(line);
    return match?.[1] ?? match?.[2] ?? [];
  });
  return inTheWay(root, [...new Set(paths)], error);
}

function inTheWay(root: string, conflicts: readonly string[], cause?: unknown): BangerError {
  const shown = conflicts.slice(0, SHOWN).join(", ");
  const files = conflicts.length > SHOWN ? `${shown} and ${conflicts.length - SHOWN} more` : shown;
  return BangerError.of("workspace_conflict", { path: root, files }, { details: { conflicts }, cause });
}

/** What was at a path: a copy of a file, where a symlink pointed, or nothing. */
interface Kept {
  readonly path: string;
  readonly file?: { readonly copy: string; readonly mode: number };
  readonly link?: Buffer;
}

async function keep(root: string, paths: readonly string[], folder: string): Promise<Kept[]> {
  const kept: Kept[] = [];
  const known = new Set(paths);
  for (const [at, path] of paths.entries()) {
    const place = bytePath(root, path);
    const info = await lstat(place).catch(() => null);
    const copy = join(folder, String(at));
    if (info?.isFile()) {
      await copyFile(place, copy);
      kept.push({ path, file: { copy, mode: info.mode & 0o7777 } });
    } else if (info?.isSymbolicLink()) {
      kept.push({ path, link: await readlink(place, { encoding: "buffer" }) });
    } else if (info?.isDirectory() && (await holdsMore(root, path, known))) {
      // git looks at what is in a folder only when it has begun to write.
      throw inTheWay(root, [readable(path)]);
    } else {
      kept.push({ path });
    }
  }
  return kept;
}

/** Whether a folder has files that the patch does not take away. */
async function holdsMore(root: string, folder: string, known: ReadonlySet<string>): Promise<boolean> {
  const options = { withFileTypes: true, encoding: "buffer" } as const;
  for (const entry of await readdir(bytePath(root, folder), options)) {
    const path = `${folder}/${entry.name.toString("latin1")}`;
    if (entry.isDirectory() ? await holdsMore(root, path, known) : !known.has(path)) return true;
  }
  return false;
}

async function putBack(root: string, kept: readonly Kept[]): Promise<void> {
  for (const { path, file, link } of kept) {
    const place = bytePath(root, path);
    await rm(place, { force: true });
    if (link) await symlink(link, place);
    if (!file) continue;
    await copyFile(file.copy, place);
    await chmod(place, file.mode);
  }
}
