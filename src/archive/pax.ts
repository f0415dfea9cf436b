/** pax records, `<length> <key>=<value>\n`: what does not fit into a header. */
import { BLOCK, invalidArchive, type Segment } from "./member.ts";

/** Records of one extended header. Values are bytes: names need not be text. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

const SPACE = 0x20;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;

/** @throws archive_invalid */
export function readRecords(data: Buffer): PaxRecords {
  const records = new Map<string, Buffer>();
  for (let at = 0; at < data.length; ) {
    const space = data.indexOf(SPACE, at);
    const digits = space < 0 ? "" : data.toString("latin1", at, Math.min(space, at + 10));
    const last = at + (/^\d{1,7}$/.test(digits) ? Number(digits) : Number.NaN) - 1;
    const equals = data.indexOf(EQUALS, space + 1);
    // NaN compares false with everything.
    const whole = equals > space + 1 && equals < last && data[last] === NEWLINE;
    if (!whole) throw invalidArchive("a malformed pax record");
    records.set(data.toString("latin1", space + 1, equals), Buffer.from(data.subarray(equals + 1, last)));
    at = last + 1;
  }
  return records;
}

/** One record; its length counts itself. */
export function record(key: string, value: Buffer | string): Buffer {
  const bytes = typeof value === "string" ? Buffer.from(value, "latin1") : value;
  const body = key.length + bytes.length + 3; // space, equals sign, newline
  let digits = 1;
  while (String(body + digits).length > digits) digits++;
  return Buffer.concat([Buffer.from(`${body + digits} ${key}=`, "latin1"), bytes, Buffer.from("\n")]);
}

/** A whole number without sign; undefined when there is no such record. @throws archive_invalid */
export function count(records: PaxRecords, key: string): number | undefined {
  const value = records.get(key);
  if (value === undefined || value.length === 0) return undefined;
  const digits = value.toString("latin1");
  const result = /^\d{1,16}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!Number.isSafeInteger(result)) throw invalidArchive(`a pax record with an impossible ${key}`);
  return result;
}

/** Seconds, maybe negative, maybe with a fraction, in nanoseconds. @throws archive_invalid */
export function time(records: PaxRecords, key: string): bigint | undefined {
  const value = records.get(key);
  if (value === undefined || value.length === 0) return undefined;
  const match = /^(-?)(\d{1,11})(?:\.(\d{0,30}))?$/.exec(value.toString("latin1"));
  if (!match) throw invalidArchive(`a pax record with an impossible ${key}`);
  const fraction = BigInt((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  const ns = BigInt(match[2] ?? 0) * 1_000_000_000n + fraction;
  return match[1] ? -ns : ns;
}

/** A time as `time` reads it. */
export function timeText(ns: bigint): string {
  const size = ns < 0n ? -ns : ns;
  const fraction = String(size % 1_000_000_000n)
    .padStart(9, "0")
    .replace(/0+$/, "");
  return `${ns < 0n ? "-" : ""}${size / 1_000_000_000n}${fraction && `.${fraction}`}`;
}

/**
 * Collects the map that stands before the data of a GNU sparse file, format 1.0: decimal numbers, a line each: how many
 * parts, then offset and size of each. https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html
 */
export class SparseMap {
  readonly #numbers: number[] = [];
  #line = "";

  /** Takes a block. Returns the parts once the map is whole; the rest of that block is padding. @throws archive_invalid */
  add(block: Buffer): Segment[] | null {
    const lines = (this.#line + block.toString("latin1")).split("\n");
    this.#line = lines.pop() ?? "";
    for (const line of lines) {
      if (!/^\d{1,16}$/.test(line)) throw invalidArchive("a malformed sparse map");
      this.#numbers.push(Number(line));
      if (this.#complete) return this.#segments();
    }
    if (this.#line.length > BLOCK) throw invalidArchive("a malformed sparse map");
    return null;
  }

  get #complete(): boolean {
    return this.#numbers.length === 1 + 2 * (this.#numbers[0] ?? 0);
  }

  #segments(): Segment[] {
    const segments: Segment[] = [];
    for (let i = 1; i < this.#numbers.length; i += 2)
      segments.push({ offset: this.#numbers[i] as number, size: this.#numbers[i + 1] as number });
    return segments;
  }
}

/** The map that `SparseMap` collects, padded. */
export function sparseMapText(segments: readonly Segment[]): Buffer {
  const numbers = segments.flatMap(({ offset, size }) => [offset, size]);
  return padded(Buffer.from(`${[segments.length, ...numbers].join("\n")}\n`, "latin1"));
}

/** With zeros up to the next block. */
export function padded(bytes: Buffer): Buffer {
  const over = bytes.length % BLOCK;
  return over === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(BLOCK - over)]);
}
