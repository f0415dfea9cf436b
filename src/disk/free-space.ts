/** Refuses work that the disk has no room for. */
import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { BangerError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";

/** Bytes that this user can still write below `path`; a path that does not exist yet counts as its nearest parent. */
export async function freeSpace(path: string): Promise<number> {
  for (let at = path; ; at = dirname(at)) {
    try {
      const info = await statfs(at);
      return info.bavail * info.bsize;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT" || at === dirname(at)) throw error;
    }
  }
}

/** @throws no_space when fewer than `bytes` are free below `path` */
export async function requireSpace(path: string, bytes: number, what: string): Promise<void> {
  const available = await freeSpace(path);
  if (available >= bytes) return;
  throw BangerError.of("no_space", {
    what,
    needed: formatSize(bytes),
    available: formatSize(available),
    path,
  });
}
