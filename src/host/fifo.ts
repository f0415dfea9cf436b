/** Named pipes: how a process that outlives us writes to whoever reads just now, without ever waiting for a reader. */
import { constants, openSync } from "node:fs";
import { type FileHandle, open, rm } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { run } from "./run.ts";

/** Makes pipes that only this user can open; what was there under these names is removed. */
export async function makeFifos(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => rm(path, { force: true })));
  await run("mkfifo", ["-m", "600", "--", ...paths]); // Node cannot make one
}

/** The reading end. Ends when the last writer is gone. */
export function readFifo(path: string): Readable {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
  return new Socket({ fd, readable: true, writable: false }).on("error", () => {}); // followed by close
}

/**
 * The end for a child's standard output: readable too, so that writing never fails when nobody reads, and not waiting, so
 * that it never blocks; what does not fit is lost then.
 */
export const writeFifo = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOFOLLOW);
