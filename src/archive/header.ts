/** One tar header block: ustar's fields, read and written. https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html */
import { BLOCK, invalidArchive } from "./member.ts";

/** Where each field stands: offset and width. */
const FIELD = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  link: [157, 100],
  magic: [257, 6],
  version: [263, 2],
  major: [329, 8],
  minor: [337, 8],
  prefix: [345, 155],
} as const;

type Field = keyof typeof FIELD;

/** The fields of a header as they stand in it. */
export interface RawHeader {
  readonly name: Buffer;
  readonly link: Buffer;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Whole seconds. */
  readonly mtime: number;
}

/** Reads a block. @throws archive_invalid when it is no header */
export function readHeader(block: Buffer): RawHeader {
  if (!checksumHolds(block))
    throw invalidArchive("a wrong checksum; this is no tar archive, or it is damaged");
  const own = text(block, "name");
  // GNU writes "ustar " and uses the prefix for other things.
  const prefix = slice(block, "magic").toString("latin1") === "ustar\0" ? text(block, "prefix") : null;
  return {
    name: prefix?.length ? Buffer.concat([prefix, SLASH, own]) : Buffer.from(own),
    link: Buffer.from(text(block, "link")),
    type: String.fromCharCode(block[FIELD.type[0]] || ZERO),
    mode: number(block, "mode") & 0o7777,
    uid: number(block, "uid"),
    gid: number(block, "gid"),
    size: positive(block, "size"),
    mtime: number(block, "mtime"),
  };
}

/** True for the block of zeros that ends an archive. */
export function isZero(block: Buffer): boolean {
  return block.equals(ZEROS);
}

/** A header block. Numbers that do not fit, and names longer than their field, need a pax record beside it. */
export function writeHeader(header: RawHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  header.name.copy(block, FIELD.name[0], 0, FIELD.name[1]);
  header.link.copy(block, FIELD.link[0], 0, FIELD.link[1]);
  for (const field of ["mode", "uid", "gid", "size", "mtime"] as const) put(block, field, header[field]);
  put(block, "major", 0);
  put(block, "minor", 0);
  block.write(header.type, FIELD.type[0], "latin1");
  block.write("ustar\x0000", FIELD.magic[0], "latin1");
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, FIELD.checksum[0], "latin1");
  return block;
}

/** The largest number that an octal field holds. */
export function largest(field: "uid" | "gid" | "size" | "mtime"): number {
  return 8 ** (FIELD[field][1] - 1) - 1;
}

/** The longest name or link that fits. */
export const MAX_NAME = FIELD.name[1];

const ZERO = 0x30;
const SPACE = 0x20;
const SLASH = Buffer.from("/");
const ZEROS = Buffer.alloc(BLOCK);

const slice = (block: Buffer, field: Field) =>
  block.subarray(FIELD[field][0], FIELD[field][0] + FIELD[field][1]);

function text(block: Buffer, field: Field): Buffer {
  const bytes = slice(block, field);
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/** Octal, or GNU's base-256 when the first bit is set; blank is 0. */
function number(block: Buffer, field: Field): number {
  const bytes = slice(block, field);
  const first = bytes[0] ?? 0;
  if (first & 0x80) return base256(bytes, field);
  const digits = text(block, field).toString("latin1").trim();
  if (!/^[0-7]*$/.test(digits)) throw invalidArchive(`a header whose ${field} is no number`);
  return Number.parseInt(digits || "0", 8);
}

function base256(bytes: Buffer, field: Field): number {
  const bits = BigInt(8 * bytes.length - 1);
  const value = BigInt.asIntN(Number(bits), BigInt(`0x${bytes.toString("hex")}`));
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw invalidArchive(`a header with an impossible ${field}`);
  return result;
}

function positive(block: Buffer, field: Field): number {
  const value = number(block, field);
  if (value < 0) throw invalidArchive(`a header with a negative ${field}`);
  return value;
}

function put(block: Buffer, field: Field, value: number): void {
  const [at, width] = FIELD[field];
  const fits = value >= 0 && value < 8 ** (width - 1) ? value : 0;
  block.write(fits.toString(8).padStart(width - 1, "0"), at, "latin1");
}

function checksum(block: Buffer): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += block[i] as number;
  const [at, width] = FIELD.checksum;
  for (let i = at; i < at + width; i++) sum += SPACE - (block[i] as number);
  return sum;
}

/** Old writers added the bytes as signed numbers. */
function checksumHolds(block: Buffer): boolean {
  const said = /^[ \0]*([0-7]{1,7})[ \0]*$/.exec(slice(block, "checksum").toString("latin1"))?.[1];
  if (said === undefined) return false;
  const plain = checksum(block);
  if (Number.parseInt(said, 8) === plain) return true;
  const [at, width] = FIELD.checksum;
  const high = block.filter((byte, i) => byte >= 0x80 && (i < at || i >= at + width)).length;
  return Number.parseInt(said, 8) === plain - 256 * high;
}
