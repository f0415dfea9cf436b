/** One 512 byte header block (POSIX.1-1988 ustar, with the base-256 numbers of GNU). Pure; every field is checked. */
import { BLOCK, TarError } from "./tar-entry.ts";

export interface TarHeader {
  readonly path: string;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  readonly link: string;
}

/** Largest id that Linux can give; the next one means "none". */
export const MAX_ID = 0xffff_fffe;

export const isZeroBlock = (block: Buffer): boolean => block.every((byte) => byte === 0);

/** @throws TarError when the block is no header, or a number in it is negative or too large */
export function parseHeader(block: Buffer): TarHeader {
  const name = text(block, 0, 100);
  const fail = (problem: string) => new TarError(problem, name || null);
  if (!checksumFits(block)) throw fail("a header is damaged (its checksum does not fit)");
  const field = (what: string, at: number, length: number, max: number) => {
    const value = number(block.subarray(at, at + length));
    if (value === null || value > max) throw fail(`its ${what} is not acceptable`);
    return value;
  };
  const ustar = block.toString("latin1", 257, 263) === "ustar\0";
  const prefix = ustar ? text(block, 345, 155) : "";
  return {
    path: prefix ? `${prefix}/${name}` : name,
    flag: block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0),
    mode: field("mode", 100, 8, Number.MAX_SAFE_INTEGER) & 0o7777,
    uid: field("owner", 108, 8, MAX_ID),
    gid: field("group", 116, 8, MAX_ID),
    size: field("size", 124, 12, Number.MAX_SAFE_INTEGER),
    // Times before 1970 exist and harm nobody: they become 1970.
    mtime: (block[136] ?? 0) === 0xff ? 0 : field("time", 136, 12, Number.MAX_SAFE_INTEGER),
    link: text(block, 157, 100),
  };
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString("latin1", at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits between blanks and NULs, or base 256 when the first bit is set; null when it is neither or negative. */
function number(bytes: Buffer): number | null {
  if ((bytes[0] ?? 0) & 0x80) {
    if ((bytes[0] ?? 0) !== 0x80) return null;
    let value = 0;
    for (const byte of bytes.subarray(1)) {
      value = value * 256 + byte;
      if (value > Number.MAX_SAFE_INTEGER) return null;
    }
    return value;
  }
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(bytes.toString("latin1"))?.[1];
  return digits === undefined ? null : Number.parseInt(digits || "0", 8);
}

/** The sum of all bytes with the checksum itself as blanks; some old writers summed signed bytes. */
function checksumFits(block: Buffer): boolean {
  let unsigned = 8 * 32;
  let signed = 8 * 32;
  for (let at = 0; at < BLOCK; at++) {
    if (at >= 148 && at < 156) continue;
    const byte = block[at] ?? 0;
    unsigned += byte;
    signed += byte > 127 ? byte - 256 : byte;
  }
  const stored = number(block.subarray(148, 156));
  return stored === unsigned || stored === signed;
}
