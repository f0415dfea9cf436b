/** Reads a log file that grows: its last lines, then what is added. */
import { watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

const CHUNK = 64 * 1024;
const NEWLINE = 0x0a;

/** A log file, read line by line; a line counts when it is complete. */
export class LogFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(CHUNK);
  #position = 0;
  #rest = Buffer.alloc(0);

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#file = file;
  }

  static async open(path: string): Promise<LogFile> {
    return new LogFile(path, await open(path, "r"));
  }

  /** Goes to the beginning of the last `lines` complete lines, without reading what is before them. */
  async seekTail(lines: number): Promise<void> {
    let end = (await this.#file.stat()).size;
    let wanted = lines + 1; // the newline before the first line that is wanted
    while (end > 0) {
      const begin = Math.max(0, end - CHUNK);
      const { bytesRead } = await this.#file.read(this.#buffer, 0, end - begin, begin);
      for (let at = bytesRead - 1; at >= 0; at--) {
        if (this.#buffer[at] !== NEWLINE || --wanted > 0) continue;
        this.#position = begin + at + 1;
        return;
      }
      end = begin;
    }
    this.#position = 0;
  }

  /** The complete lines from here to the end. A file that was emptied meanwhile is read from its beginning. */
  async *read(): AsyncGenerator<string> {
    if ((await this.#file.stat()).size < this.#position) {
      this.#position = 0;
      this.#rest = Buffer.alloc(0);
    }
    for (;;) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK, this.#position);
      if (bytesRead === 0) return;
      this.#position += bytesRead;
      const text = Buffer.concat([this.#rest, this.#buffer.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(NEWLINE) + 1;
      this.#rest = Buffer.from(text.subarray(end));
      if (end > 0) yield* text.toString("utf8", 0, end - 1).split("\n");
    }
  }

  /** Gives each complete line from here on to `print`, woken by the file's changes; ends when `signal` does. */
  async follow(print: (line: string) => void, signal: AbortSignal): Promise<void> {
    const printNew = async () => {
      for await (const line of this.read()) print(line);
    };
    await new Promise<void>((resolve, reject) => {
      let work = Promise.resolve();
      const go = () => {
        work = work.then(printNew); // never twice at a time
        work.catch(reject);
      };
      const watcher = watch(this.#path, { signal }, go);
      watcher.once("error", reject);
      watcher.once("close", () => work.then(resolve, reject));
      go(); // what came before the watch began
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
