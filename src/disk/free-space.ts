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

/** What is told when a disk turns out to be full in the middle. */
export async function fullDisk(path: string, what: string, cause: unknown): Promise<BangerError> {
  const available = formatSize(await freeSpace(path));
  return BangerError.of("no_space", { what, needed: "more", available, path }, { cause });
}

/** An error of writing below `path`: as `no_space` when the disk is full, else as it is. */
export async function namedIfFull(error: unknown, path: string, what: string): Promise<unknown> {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT" ? fullDisk(path, what, error) : error;
}
