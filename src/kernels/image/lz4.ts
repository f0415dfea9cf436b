/**
 * Decodes LZ4 in its legacy framing, which is what the kernel's own build uses (`lz4 -l`). Node's zlib has no LZ4, and the
 * default kernel is packed so: a decoder of one page spares every host a further tool.
 */
import { setImmediate } from "node:timers/promises";

const MAGIC = 0x184c2102;
/** What one block of the legacy format holds at most. */
const BLOCK = 8 * 1024 * 1024;
const MIN_MATCH = 4;

export const isLegacyLz4 = (data: Buffer): boolean => data.length >= 8 && data.readUInt32LE(0) === MAGIC;

/**
 * Lets others run between blocks: a kernel takes a few hundred milliseconds.
 * @param limit most bytes to give back; @throws RangeError when the data is broken or larger
 */
export async function decodeLegacyLz4(data: Buffer, limit: number): Promise<Buffer> {
  if (!isLegacyLz4(data)) throw new RangeError("not LZ4 in the legacy format");
  const blocks: Buffer[] = [];
  let total = 0;
  for (let at = 4; at + 4 <= data.length; ) {
    const size = data.readUInt32LE(at);
    at += 4;
    if (size === MAGIC) continue; // frames may be concatenated
    if (size === 0 || at + size > data.length) throw new RangeError("a block reaches beyond the end");
    const block = decodeBlock(data.subarray(at, at + size));
    at += size;
    total += block.length;
    if (total > limit) throw new RangeError(`more than ${limit} bytes`);
    blocks.push(block);
    await setImmediate();
  }
  return Buffer.concat(blocks);
}

/** One block: literals and copies of what came before, in turns. */
function decodeBlock(source: Buffer): Buffer {
  const target = Buffer.allocUnsafe(BLOCK);
  let from = 0;
  let to = 0;
  const byte = (): number => {
    const value = source[from++];
    if (value === undefined) throw new RangeError("a block ends too early");
    return value;
  };
  const length = (nibble: number): number => {
    let value = nibble;
    for (let more = nibble === 15 ? 255 : 0; more === 255; value += more) more = byte();
    return value;
  };
  const fits = (count: number) => {
    if (to + count > BLOCK) throw new RangeError("a block is larger than allowed");
  };
  while (from < source.length) {
    const token = byte();
    const literals = length(token >> 4);
    fits(literals);
    if (from + literals > source.length) throw new RangeError("a block ends too early");
    source.copy(target, to, from, from + literals);
    from += literals;
    to += literals;
    if (from === source.length) break; // the last sequence has no copy
    const offset = byte() | (byte() << 8);
    const match = length(token & 15) + MIN_MATCH;
    if (offset === 0 || offset > to) throw new RangeError("a copy from before the beginning");
    fits(match);
    // Byte by byte: a copy may overlap what it writes, which repeats it.
    if (offset >= match) target.copyWithin(to, to - offset, to - offset + match);
    else for (let i = 0; i < match; i++) target[to + i] = target[to + i - offset] ?? 0;
    to += match;
  }
  return target.subarray(0, to);
}
