/** Fetches a file whose sha256 and size are known: bounded and checked while it comes, and not there before it is right. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { namedIfFull, requireSpace } from "../disk/free-space.ts";
import { privateDirectory } from "../host/files.ts";
import { asHttpError, type HttpClient } from "../host/http.ts";

/** A file that is wanted. */
export interface Wanted {
  readonly url: URL;
  readonly sha256: string;
  readonly size: number;
}

/**
 * Fetches into `<folder>/<name>`, which nobody else uses. Whatever goes wrong, nothing of it is left.
 * @throws download_failed | bundle_size_wrong | bundle_hash_wrong | no_space
 */
export async function download(
  wanted: Wanted,
  folder: string,
  target: string,
  http: HttpClient,
  work: Work,
): Promise<void> {
  const url = wanted.url.href;
  await privateDirectory(folder);
  await requireSpace(folder, wanted.size, url);
  try {
    const answer = await http.ask(wanted.url, { signal: work.signal });
    if (answer.status !== 200) {
      answer.body.destroy();
      throw BangerError.of("download_failed", { url, reason: `its server answers ${answer.status}` });
    }
    const told = Number(answer.headers["content-length"] ?? wanted.size);
    if (told !== wanted.size) {
      answer.body.destroy();
      throw wrongSize(wanted, told);
    }
    const hash = createHash("sha256");
    let done = 0;
    await pipeline(
      answer.body,
      async function* (body: AsyncIterable<Buffer>) {
        for await (const chunk of body) {
          done += chunk.length;
          if (done > wanted.size) throw wrongSize(wanted, done);
          hash.update(chunk);
          work.report.progress({ done, total: wanted.size, unit: "bytes" });
          yield chunk;
        }
      },
      createWriteStream(target, { flags: "wx", mode: 0o600 }),
      { signal: work.signal },
    );
    if (done !== wanted.size) throw wrongSize(wanted, done);
    const found = hash.digest("hex");
    const { sha256 } = wanted;
    if (found !== sha256) throw BangerError.of("bundle_hash_wrong", { url, found, sha256 });
  } catch (error) {
    await rm(target, { force: true });
    work.signal.throwIfAborted();
    const named = await namedIfFull(error, folder, url);
    if (named instanceof BangerError) throw named;
    throw BangerError.of("download_failed", { url, reason: asHttpError(error).message }, { cause: error });
  }
}

function wrongSize({ url, size }: Wanted, found: number): BangerError {
  return BangerError.of("bundle_size_wrong", { url: url.href, found, size });
}
