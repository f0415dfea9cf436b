/** The names and attributes of a layer's entries as a file of our own, so that a layer that is here is never searched twice. */

import { once } from "node:events";
import { createReadStream, createWriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { LayerEntry } from "./layer-entry.ts";

/** Writes entries, one JSON document per line, as they come. */
export class LayerIndexWriter {
  readonly #stream: ReturnType<typeof createWriteStream>;
  #waiting = "";

  constructor(file: string) {
    this.#stream = createWriteStream(file, { flags: "wx", mode: 0o600 });
    this.#stream.on("error", () => {}); // told by `end`
  }

  add({ path, type, mode, uid, gid, size, mtime, link, xattrs }: LayerEntry): void {
    this.#waiting += `${JSON.stringify([path, type, mode, uid, gid, size, mtime, link, xattrs])}\n`;
  }

  /** To be called between entries, so that what waits is bounded: waits itself when the disk is slower. */
  async write(): Promise<void> {
    if (this.#waiting.length < 64 * 1024) return;
    const text = this.#waiting;
    this.#waiting = "";
    if (!this.#stream.write(text) && !this.#stream.errored) await once(this.#stream, "drain");
  }

  /** @throws what writing failed with */
  async end(): Promise<void> {
    this.#stream.end(this.#waiting);
    await finished(this.#stream);
  }

  destroy(): void {
    this.#stream.destroy();
  }
}

type Row = [
  path: string,
  type: LayerEntry["type"],
  mode: number,
  uid: number,
  gid: number,
  size: number,
  mtime: number,
  link: string,
  xattrs: LayerEntry["xattrs"],
];

/** The entries of a file that `LayerIndexWriter` wrote, in order, many at once. */
export async function* readLayerIndex(file: string): AsyncGenerator<readonly LayerEntry[]> {
  let begun = "";
  for await (const text of createReadStream(file, { encoding: "utf8", highWaterMark: 256 * 1024 })) {
    const lines = (begun + text).split("\n");
    begun = lines.pop() ?? "";
    yield lines.map(entryIn);
  }
}

function entryIn(line: string): LayerEntry {
  const [path, type, mode, uid, gid, size, mtime, link, xattrs] = JSON.parse(line) as Row;
  return { path, type, mode, uid, gid, size, mtime, link, xattrs };
}
