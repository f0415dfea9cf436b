/** Decompression of layers, told by their first bytes: gzip, zstd, or none. Streams; memory is bounded. */
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createGunzip, createZstdDecompress } from "node:zlib";
import { LayerError } from "./layer-entry.ts";

const CHUNK = 512 * 1024;
/** The engine's thread works on while the chunk before is used. As objects, since waiting bytes would be copied together when they are read. */
const AHEAD = { chunkSize: CHUNK, readableObjectMode: true, readableHighWaterMark: 2 };
/** Of zstd's window, as the standard asks decoders for at least: 128 MiB would let an image take that much memory per layer. */
const MAX_WINDOW_LOG = 26;

const UNSUPPORTED: readonly (readonly [name: string, magic: readonly number[]])[] = [
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
];

/**
 * @param use "passing": a chunk is there only until the next one is asked for, then its memory is given back. Left to the collector,
 * hundreds of megabytes of such chunks make it search all that the daemon holds dozens of times.
 * @throws LayerError when the data is damaged or of an unknown compression, and what `source` throws
 */
export async function* decompressed(
  source: AsyncIterable<Buffer>,
  use: "kept" | "passing" = "kept",
): AsyncGenerator<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  try {
    const start = await firstBytes(iterator, 6);
    const engine = engineFor(start);
    if (!engine) {
      yield start;
      yield* rest(iterator);
      return;
    }
    const feeding = pipeline(Readable.from(prepend(start, iterator), { objectMode: false }), engine);
    feeding.catch(() => {}); // destroys the engine with the error, which the loop below then throws
    for await (const chunk of engine) {
      yield chunk as Buffer;
      if (use === "passing") release(chunk as Buffer);
    }
    await feeding;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (/^(Z_|ZSTD_|ERR_ZSTD)/.test(code)) throw new LayerError("its compressed data is damaged or cut off");
    throw error;
  } finally {
    await iterator.return?.();
  }
}

/** Only a whole buffer, and when the engine is done with it: what does not end its buffer is followed by more in it. */
function release({ buffer, byteOffset, length }: Buffer): void {
  if (buffer.byteLength === CHUNK && byteOffset + length === CHUNK) (buffer as ArrayBuffer).transfer(0);
}

function engineFor(start: Buffer) {
  const begins = (magic: readonly number[]) => magic.every((byte, at) => start[at] === byte);
  if (begins([0x1f, 0x8b])) return createGunzip(AHEAD);
  if (begins([0x28, 0xb5, 0x2f, 0xfd])) {
    return createZstdDecompress({
      ...AHEAD,
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    });
  }
  const unsupported = UNSUPPORTED.find(([, magic]) => begins(magic));
  if (unsupported) throw new LayerError(`it is compressed with ${unsupported[0]} (gzip and zstd are read)`);
  return null;
}

async function firstBytes(iterator: AsyncIterator<Buffer>, wanted: number): Promise<Buffer> {
  let start: Buffer = Buffer.alloc(0);
  while (start.length < wanted) {
    const next = await iterator.next();
    if (next.done) break;
    start = start.length === 0 ? next.value : Buffer.concat([start, next.value]);
  }
  return start;
}

async function* prepend(start: Buffer, iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield start;
  yield* rest(iterator);
}

async function* rest(iterator: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
}

/** The same chunks; a reader that stops early does not end the source. */
export function unclosed(source: AsyncGenerator<Buffer>): AsyncIterable<Buffer> {
  return { [Symbol.asyncIterator]: () => ({ next: () => source.next() }) };
}

/** Reads a source to its end. */
export async function drain(source: AsyncGenerator<Buffer>): Promise<void> {
  for (let next = await source.next(); !next.done; next = await source.next());
}
