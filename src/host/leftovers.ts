/** What a daemon that was killed left behind: programs that it had started, and files that were being made. */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { endMarked } from "./marked-processes.ts";
import type { Paths } from "./paths.ts";
import { CLEAN_UP_MS, WORK_MARK } from "./run.ts";
import { removeWorkFolders } from "./work-folder.ts";

/** Deeper than anything is made: `cache/agent/<digest>/.tmp-…`. */
const DEPTH = 3;

/** Ends those programs, removes those files, and marks what this process starts from now on. Only for who holds the daemon's lock. */
export async function clearLeftovers(paths: Paths): Promise<void> {
  await endMarked(WORK_MARK, paths.state, CLEAN_UP_MS);
  process.env[WORK_MARK] = paths.state;
  for (const folder of [paths.state, paths.cache]) await removeTemporaries(folder);
  await removeWorkFolders(paths.state);
}

/** Removes everything named `.tmp-…` in a folder and the folders in it; symbolic links are not followed. */
async function removeTemporaries(folder: string, depth = DEPTH): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.name.startsWith(".tmp-")) await rm(path, { recursive: true, force: true });
    else if (entry.isDirectory() && depth > 0) await removeTemporaries(path, depth - 1);
  }
}
