/** Byte streams out of and into the guest that end with a verdict: file contents, archives, listings. */
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { checkpoint } from "../core/checkpoints.ts";
import { ChannelReadable, ChannelWritable } from "./channels.ts";
import { failureError } from "./failures.ts";
import type { GuestEvent, RequestOf, ResponseOf } from "./operations.ts";
import type { GuestSession, RequestOptions } from "./session.ts";
import { violation } from "./violation.ts";

type Download = "file_read" | "file_list" | "tar_out";
type Upload = "file_write" | "tar_in";

/** What was transferred, by the agent's count. */
export interface Transferred {
  readonly bytes: number;
  readonly entries: number;
}

/** Collects the events that tell how a transfer went. */
class Verdict {
  readonly #what: string;
  failure: Error | null = null;
  done: Transferred | null = null;

  constructor(what: string) {
    this.#what = what;
  }

  take(event: GuestEvent): void {
    if (this.failure || this.done) throw violation(`${this.#what} ended twice`);
    if (event.name === "done") this.done = event.fields;
    if (event.name === "failed") this.failure = failureError(event.fields, this.#what);
  }
}

/**
 * Opens a stream from the guest. Its end means that the guest sent everything; a failure in the middle is an error of
 * the stream after the data that came before. Destroying it tells the guest to stop.
 */
export async function download<N extends Download>(
  session: GuestSession,
  name: N,
  fields: RequestOf<N>,
  options: RequestOptions,
): Promise<{ readonly content: Readable; readonly answer: ResponseOf<N> }> {
  const verdict = new Verdict(name);
  const stream = session.open(
    name,
    fields,
    {
      event: (event) => verdict.take(event),
      end: () => {
        const inflow = stream.inflow(1);
        if (!verdict.failure && !inflow.sawEof) throw violation(`${name} broke off without a reason`);
        if (!verdict.failure && !verdict.done && name === "tar_out")
          throw violation("an archive without its end");
        inflow.close(verdict.failure);
      },
    },
    options,
  );
  const answer = await stream.response;
  checkpoint("download.opened");
  const content = new ChannelReadable(stream.inflow(1), () => stream.cancel());
  content.once("end", () => checkpoint("download.sent"));
  return { content, answer };
}

/**
 * Sends all of `source` to the guest and waits for its verdict. When the transfer fails, a stream is left to its
 * owner as it is; when the stream itself fails, the guest drops what came so far.
 */
export async function upload<N extends Upload>(
  session: GuestSession,
  name: N,
  fields: RequestOf<N>,
  source: Readable | Uint8Array,
  options: RequestOptions,
): Promise<Transferred> {
  const verdict = new Verdict(name);
  const result = Promise.withResolvers<Transferred>();
  result.promise.catch(() => {}); // awaited only after everything was sent
  const stream = session.open(
    name,
    fields,
    {
      event: (event) => verdict.take(event),
      end: () => {
        const { outflow } = stream;
        if (verdict.failure) {
          outflow.close(verdict.failure);
          result.reject(verdict.failure);
        } else if (verdict.done && outflow.ended) {
          checkCount(name, verdict.done, outflow.sent);
          result.resolve(verdict.done);
        } else throw violation(`${name} ended before it was complete`);
      },
      lost: result.reject,
    },
    options,
  );
  await stream.response;
  checkpoint("upload.opened");
  const target = new ChannelWritable(stream.outflow, () => stream.cancel());
  await send(source, target);
  checkpoint("upload.sent");
  return result.promise;
}

function checkCount(name: Upload, done: Transferred, sent: number): void {
  if (name === "file_write" && done.bytes !== sent) throw violation("a file was not written as it was sent");
}

/** Like `pipeline`, but leaves the source alone when the target fails: it may be a request that still gets an answer. */
async function send(source: Readable | Uint8Array, target: ChannelWritable): Promise<void> {
  const complete = finished(target);
  if (source instanceof Uint8Array) {
    target.end(source);
  } else {
    finished(source, { writable: false, cleanup: true }).catch((error: Error) => target.destroy(error));
    source.pipe(target);
  }
  try {
    await complete;
  } finally {
    if (!(source instanceof Uint8Array)) source.unpipe(target);
  }
}
