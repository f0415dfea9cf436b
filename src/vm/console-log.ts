/**
 * The serial console on disk: `console.log` and, when that is full, `console.log.1`. Bounded, because the guest decides how
 * much it prints. What the guest prints while no daemon runs is not kept.
 */
import { closeSync, existsSync, fstatSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";

const MAX_FILE = 1024 * 1024;

export class ConsoleLog {
  readonly #path: string;
  readonly #followers = new Set<(chunk: Buffer) => void>();
  #file: number | null = null;
  #size = 0;

  constructor(directory: string) {
    this.#path = join(directory, "console.log");
  }

  /** Appends everything from `source` until it ends. */
  record(source: Readable): void {
    source.on("data", (chunk: Buffer) => this.#append(chunk));
    source.on("error", () => {}); // the end of the machine is reported elsewhere
    source.once("close", () => this.#close());
  }

  /** Calls `follower` for each new chunk; returns how to stop. */
  follow(follower: (chunk: Buffer) => void): () => void {
    this.#followers.add(follower);
    return () => this.#followers.delete(follower);
  }

  /** The kept output; with `lines`, only that many last lines. */
  read(lines?: number): Buffer {
    const whole = Buffer.concat(
      [`${this.#path}.1`, this.#path].map((path) =>
        existsSync(path) ? readFileSync(path) : Buffer.alloc(0),
      ),
    );
    return lines === undefined ? whole : lastLines(whole, lines);
  }

  #append(chunk: Buffer): void {
    try {
      this.#keep(chunk.subarray(0, MAX_FILE));
    } catch {
      // A full disk, or the VM is being deleted: this output is not kept. The next piece is tried anew.
      this.#close();
    }
    for (const follower of this.#followers) follower(chunk);
  }

  #keep(chunk: Buffer): void {
    this.#file ??= openSync(this.#path, "a", 0o600);
    if (this.#size === 0) this.#size = fstatSync(this.#file).size;
    if (this.#size + chunk.length > MAX_FILE) this.#file = this.#rotate();
    this.#size += writeSync(this.#file, chunk);
  }

  #rotate(): number {
    this.#close();
    renameSync(this.#path, `${this.#path}.1`);
    return openSync(this.#path, "a", 0o600);
  }

  #close(): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
    this.#size = 0;
  }
}

/** Pure: the last `lines` lines; a final newline does not begin another line. */
export function lastLines(text: Buffer, lines: number): Buffer {
  let start = text.length;
  let end = text.at(-1) === 0x0a ? text.length - 1 : text.length;
  for (let left = lines; left > 0 && start > 0; left--) {
    const newline = end > 0 ? text.lastIndexOf(0x0a, end - 1) : -1;
    start = newline + 1;
    end = newline;
  }
  return text.subarray(start);
}
