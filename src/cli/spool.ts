/** Files for what passes whole through standard input or output, because the daemon reads and writes files. Nobody else's, and none is left. */
import { createWriteStream } from "node:fs";
import { open, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { privateDirectory, temporaryName } from "../host/files.ts";
import { resolvePaths } from "../host/paths.ts";
import type { Context } from "./context.ts";
import { drain, streamFailed } from "./terminal/flow.ts";

/**
 * Keeps standard input while `work` has it read. The file has no name: no cleaning takes it away, and it ends with this process,
 * however that ends.
 * @param work gets a path that this user's processes can open as often as they like
 * @throws stream_failed, also when the disk has no room for it
 */
export async function withInputAsFile<T>(context: Context, work: (path: string) => Promise<T>): Promise<T> {
  const name = await spoolName(context, "stdin");
  const file = await open(name, "wx", 0o600);
  try {
    await rm(name, { force: true });
    const to = createWriteStream(name, { fd: file.fd, autoClose: false });
    await pipeline(context.stdin, to).catch((error: Error) => {
      throw streamFailed("standard input", "read", error);
    });
    return await work(`/proc/${process.pid}/fd/${file.fd}`);
  } finally {
    await file.close();
  }
}

/** Sends what `write` puts into a file to standard output. Cut off in between, the file goes when a daemon starts. */
export async function withOutputAsFile(
  context: Context,
  write: (path: string) => Promise<void>,
): Promise<void> {
  const name = await spoolName(context, "stdout");
  try {
    await write(name);
    const file = await open(name);
    await rm(name, { force: true });
    await drain(file.createReadStream(), context.stdout, "standard output");
  } finally {
    await rm(name, { force: true });
  }
}

/** In the cache, which has room for images, under a name that cleaning passes over and the daemon's start removes. */
async function spoolName(context: Context, stream: string): Promise<string> {
  return temporaryName(join(await privateDirectory(resolvePaths(context.env).cache), stream));
}
