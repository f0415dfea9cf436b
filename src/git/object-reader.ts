/** Commits by their ids, from one git that is asked for one after the other: starting a git for each would cost more than reading. */
import { BangerError } from "../core/errors.ts";
import type { RunningProgram } from "../host/run.ts";
import type { Shadow } from "./shadow.ts";

/** Larger commits than anybody writes. */
const MAX_COMMIT = 16 * 1024 * 1024;

export class ObjectReader {
  readonly #git: RunningProgram;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #signal: AbortSignal | undefined;
  #rest: Buffer = Buffer.alloc(0);

  constructor(shadow: Shadow, signal?: AbortSignal) {
    this.#signal = signal;
    this.#git = shadow.open(["cat-file", "--batch"], { signal });
    this.#chunks = (this.#git.stdout as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** The text of a commit, bytes as latin1. One at a time. @throws git_failed when it is not there, or is something else */
  async commit(id: string): Promise<string> {
    this.#git.stdin.write(`${id}\n`);
    let end = this.#rest.indexOf(10);
    for (; end < 0; end = this.#rest.indexOf(10)) await this.#more(id);
    const [, type, length] = this.#rest.toString("latin1", 0, end).split(" ");
    const size = Number(length);
    if (type !== "commit" || !(size <= MAX_COMMIT)) throw missing(id);
    const start = end + 1;
    while (this.#rest.length <= start + size) await this.#more(id);
    const content = this.#rest.toString("latin1", start, start + size);
    this.#rest = this.#rest.subarray(start + size + 1);
    return content;
  }

  /** Ends the git; what it has not said is not waited for. */
  close(): void {
    this.#git.stdin.end();
    this.#git.stdout.destroy();
  }

  async #more(id: string): Promise<void> {
    const { value, done } = await this.#chunks.next();
    this.#signal?.throwIfAborted();
    if (done) throw missing(id);
    this.#rest = Buffer.concat([this.#rest, value]);
  }
}

const missing = (id: string) =>
  BangerError.of("git_failed", {
    command: "cat-file",
    reason: `commit ${id} is missing; the repository is damaged`,
  });
