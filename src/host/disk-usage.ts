/** What files really take: allocated blocks, not lengths, since disks are sparse. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";

const BLOCK = 512; // the unit of st_blocks, whatever the filesystem's own is (stat(2))

/** Bytes allocated for a file, or for a folder and all in it; hard links count once, symbolic links are not followed. 0 when it is gone. */
export async function allocatedBytes(path: string, seen = new Set<string>()): Promise<number> {
  const info = await lstat(path).catch(() => null);
  if (!info || seen.has(`${info.dev}:${info.ino}`)) return 0;
  seen.add(`${info.dev}:${info.ino}`);
  let bytes = info.blocks * BLOCK;
  if (info.isDirectory()) {
    for (const name of await readdir(path).catch(() => []))
      bytes += await allocatedBytes(join(path, name), seen);
  }
  return bytes;
}
