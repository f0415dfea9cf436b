/** Members of a tar archive as bytes (ustar, with pax records for what does not fit). Paths are bytes, kept as latin1 strings. */
const BLOCK = 512;
const MAX_NAME = 100;
const MAX_OCTAL_SIZE = 8 ** 11 - 1;
const NS = 1_000_000_000n;

export interface Member {
  readonly path: string;
  readonly type: "file" | "symlink" | "directory";
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  /** Where a symlink points. */
  readonly target?: string;
}

/** What stands before a member's content: its header, with extended records first where they are needed. Pure. */
export function memberHeader(member: Member): Buffer {
  const { path, target = "", size, mtimeNs } = member;
  const records: string[] = [];
  if (path.length > MAX_NAME) records.push(record("path", path));
  if (target.length > MAX_NAME) records.push(record("linkpath", target));
  if (size > MAX_OCTAL_SIZE) records.push(record("size", String(size)));
  // Also in every time with a fraction: git knows files by it.
  if (mtimeNs % NS !== 0n || mtimeNs < 0n) records.push(record("mtime", decimalTime(mtimeNs)));
  const type = member.type === "symlink" ? "2" : member.type === "directory" ? "5" : "0";
  const plain = block(member, type);
  if (records.length === 0) return plain;
  const text = Buffer.from(records.join(""), "latin1");
  const extended = block({ path: "pax", mode: 0o644, size: text.length, mtimeNs: 0n }, "x");
  return Buffer.concat([extended, text, padding(text.length), plain]);
}

/** Zeros that fill the last block of a content. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** What ends an archive. */
export const END = Buffer.alloc(2 * BLOCK);

function block(member: Omit<Member, "type">, type: string): Buffer {
  const bytes = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, width: number) =>
    bytes.write(value.toString(8).padStart(width - 1, "0"), at, "latin1");
  const seconds = member.mtimeNs < 0n ? 0n : member.mtimeNs / NS;
  bytes.write(member.path.slice(0, MAX_NAME), 0, "latin1");
  octal(member.mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(member.size > MAX_OCTAL_SIZE ? 0 : member.size, 124, 12);
  octal(Number(BigInt.asUintN(32, seconds)), 136, 12);
  bytes.write(type, 156, "latin1");
  bytes.write((member.target ?? "").slice(0, MAX_NAME), 157, "latin1");
  bytes.write("ustar\0" + "00", 257, "latin1");
  bytes.fill(" ", 148, 156);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return bytes;
}

/** `<length> <key>=<value>\n`, where the length counts itself. */
function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length++;
  return `${length}${rest}`;
}

function decimalTime(ns: bigint): string {
  const magnitude = ns < 0n ? -ns : ns;
  return `${ns < 0n ? "-" : ""}${magnitude / NS}.${String(magnitude % NS).padStart(9, "0")}`;
}
