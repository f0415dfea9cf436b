/** File helpers that keep promises across crashes. */
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BangerError } from "../core/errors.ts";

// Not `import`: an ES import evaluates getters that load what nothing here needs, some milliseconds of every command.
const { randomBytes } = process.getBuiltinModule("node:crypto");

/** Makes a private folder (0700) if it is missing, and checks that it is ours. @throws state_unreadable */
export async function privateDirectory(path: string): Promise<string> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const info = await stat(path);
    if (process.getuid && info.uid !== process.getuid()) throw new Error(`it belongs to uid ${info.uid}`);
    if (info.mode & 0o022) throw new Error("others may write to it");
  } catch (error) {
    throw BangerError.of("state_unreadable", { path, reason: (error as Error).message }, { cause: error });
  }
  return path;
}

/** Writes a file so that after a crash either the old or the new content is there: temporary file, fsync, rename, fsync of the folder. */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  await publishFile(path, async (temporary) => {
    const file = await open(temporary, "wx", mode);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
  });
}

/** A name beside `path` for what is not finished. Leftovers of a crash are removed by reconcile. */
export function temporaryName(path: string): string {
  return join(dirname(path), `.tmp-${basename(path)}-${randomBytes(6).toString("hex")}`);
}

/**
 * Lets `make` create a file under a temporary name beside `path`, then syncs and renames it into place.
 * When `make` fails nothing is left. Leftovers of a crash are named `.tmp-*` and removed by reconcile.
 */
export async function publishFile(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await make(temporary);
    await syncPath(temporary);
    await rename(temporary, path);
    await syncPath(dirname(path));
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw error;
  }
}

/** As `writeFileAtomic`, of what can be made again: a reader sees the old or the new, but nobody waits for the disk. */
export async function replaceFile(path: string, content: string, mode = 0o600): Promise<void> {
  const temporary = temporaryName(path);
  try {
    await writeFile(temporary, content, { flag: "wx", mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Syncs the files of a folder, those of the folders in it, and the folders themselves. */
export async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) await syncTree(join(folder, entry.name));
    else if (entry.isFile()) await syncPath(join(folder, entry.name));
  }
  await syncPath(folder);
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** For an export, which never replaces. @param what may be made there @throws invalid_argument when something is at `path` */
export async function requireAbsent(path: string, what: string): Promise<void> {
  if (!(await exists(path))) return;
  throw BangerError.of("invalid_argument", {
    what: "export",
    problem: `'${path}' exists already`,
    accepted: `name a ${what} that does not exist yet`,
  });
}

/** True when something is at `path` (symlinks followed). */
export async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
