/** Changes of files in the guest. */
import { asBangerError } from "../core/errors.ts";
import { failureError } from "./failures.ts";
import { type GuestPath, pathBytes } from "./file-entry.ts";
import type { GuestEvent } from "./operations.ts";
import type { GuestSession } from "./session.ts";
import type { GuestStream } from "./stream.ts";

/** Changes kept for a slow reader; more are told as one overflow. Events have no credit, so the host has its own limit. */
const MAX_QUEUED = 4096;
const MAX_QUEUED_BYTES = 1_048_576;

type Changed = Extract<GuestEvent, { name: "changed" }>["fields"];

/** One change. `overflow`: changes were lost, look again (its path is empty). */
export interface FileChange {
  /** Relative to the watched path. For people: bytes that are not UTF-8 read as U+FFFD. */
  readonly path: string;
  readonly pathBytes: Buffer;
  readonly kind: Changed["kind"] | "overflow";
  readonly directory: boolean;
  /** Joins `move_from` and `move_to` of one rename. */
  readonly cookie: number;
}

const OVERFLOW: FileChange = {
  path: "",
  pathBytes: Buffer.alloc(0),
  kind: "overflow",
  directory: true,
  cookie: 0,
};

export interface WatchOptions {
  readonly recursive?: boolean;
  /** Aborting ends the iteration without an error. */
  readonly signal?: AbortSignal;
}

/** Watches a path from now on. Iterate over the result; leaving the loop or aborting the signal ends the watch. */
export function watchFiles(session: GuestSession, path: GuestPath, options: WatchOptions = {}): FileWatch {
  return new FileWatch(session, path, options);
}

/** A watch under way. */
export class FileWatch implements AsyncIterableIterator<FileChange, undefined> {
  /** Resolves when changes from then on are seen. @throws guest_not_found | guest_refused | guest_unreachable */
  readonly ready: Promise<void>;
  #stream: GuestStream<"file_watch"> | null = null;
  #queue: FileChange[] = [];
  #queuedBytes = 0;
  #outcome: Error | null | undefined;
  #wake: (() => void) | null = null;

  constructor(session: GuestSession, path: GuestPath, options: WatchOptions) {
    const { signal, recursive } = options;
    this.ready = this.#start(session, { path: pathBytes(path), recursive });
    this.ready.catch((error) => this.#finish(asBangerError(error)));
    const stop = () => this.#stop();
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    const forget = () => signal?.removeEventListener("abort", stop);
    if (this.#stream) void this.#stream.ended.then(forget);
    else forget();
  }

  /** The next change. @throws what ended the watch, after the changes before it */
  async next(): Promise<IteratorResult<FileChange, undefined>> {
    for (;;) {
      const change = this.#queue.shift();
      if (change) {
        this.#queuedBytes -= change.pathBytes.length;
        return { value: change, done: false };
      }
      if (this.#outcome) throw this.#outcome;
      if (this.#outcome === null) return { value: undefined, done: true };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends the watch. */
  async return(): Promise<IteratorResult<FileChange, undefined>> {
    this.#queue = [];
    this.#stop();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async #start(
    session: GuestSession,
    fields: { path: Buffer; recursive: boolean | undefined },
  ): Promise<void> {
    const stream = session.open("file_watch", fields, {
      event: (event) => this.#event(event),
      end: () => this.#finish(null),
      lost: (error) => this.#finish(error),
    });
    this.#stream = stream;
    await stream.response;
  }

  #stop(): void {
    this.#finish(null);
    this.#stream?.cancel();
  }

  #event(event: GuestEvent): void {
    if (event.name === "changed") this.#add(change(event.fields));
    else if (event.name === "overflow") this.#add(OVERFLOW);
    else if (event.name === "failed") this.#finish(failureError(event.fields, "watch"));
  }

  #add(one: FileChange): void {
    if (this.#outcome !== undefined) return;
    const full = this.#queue.length >= MAX_QUEUED || this.#queuedBytes >= MAX_QUEUED_BYTES;
    const next = full ? OVERFLOW : one;
    if (next === OVERFLOW && this.#queue.at(-1) === OVERFLOW) return;
    this.#queue.push(next);
    this.#queuedBytes += next.pathBytes.length;
    this.#wake?.();
  }

  #finish(outcome: Error | null): void {
    if (this.#outcome === undefined) this.#outcome = outcome;
    this.#wake?.();
  }
}

function change(fields: Changed): FileChange {
  return {
    path: fields.path.toString("utf8"),
    pathBytes: fields.path,
    kind: fields.kind,
    directory: fields.isDirectory,
    cookie: fields.cookie,
  };
}
