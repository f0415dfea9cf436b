/** Makes a saved memory take what is in it: a monitor may have written each page that the guest never used as zeros. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { run } from "../host/run.ts";

/** Below this nothing is worth a program. */
const LARGE = 1024 * 1024;

/**
 * Digs holes where a folder's large files that have none yet are zero; what is read from them stays the same. On a filesystem
 * without holes they stay as they are.
 * @param folder nobody writes in it meanwhile
 */
export async function digHoles(folder: string, signal: AbortSignal): Promise<void> {
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const info = await lstat(path);
    if (!info.isFile() || info.size < LARGE || info.blocks * 512 < info.size) continue;
    await run("fallocate", ["--dig-holes", "--", path], { signal }).catch((error: unknown) => {
      signal.throwIfAborted();
      void error; // the filesystem has none
    });
  }
}
