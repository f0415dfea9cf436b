/**
 * Fields of control payloads: `u16 tag`, `u32 length`, bytes. A schema names each field once; from it come the encoder,
 * the strict decoder and the TypeScript types of both. Decoded objects have exactly the schema's keys: nothing that a
 * guest sends can name a property.
 */
import { isUtf8 } from "node:buffer";
import { BangerError } from "../core/errors.ts";
import { violation } from "./violation.ts";

/** Type names of docs/protocol.md. */
export type Wire = "int" | "sint" | "bool" | "str" | "bytes" | "rec";

/** How often a field occurs: exactly once, at most once, at most once with a value when absent, any number of times. */
export type Presence = "required" | "optional" | "default" | "list";

/** One field of a schema; made with the functions below. */
export interface Field<T, P extends Presence = Presence> {
  readonly tag: number;
  readonly wire: Wire;
  readonly presence: P;
  readonly fallback?: T;
  /** Most values of a list that are accepted. */
  readonly most: number;
  /** Bytes to value. @throws guest_protocol */
  read(bytes: Buffer, name: string): T;
  /** Value to bytes. @throws invalid_argument */
  write(value: T, name: string): Buffer;
}

/** Names to fields. */
export type Schema = Readonly<Record<string, Field<unknown>>>;

type Value<F> = F extends Field<infer T, Presence> ? T : never;

/** What a decoded payload of schema `S` is. */
export type Decoded<S extends Schema> = {
  readonly [K in keyof S]: S[K]["presence"] extends "optional"
    ? Value<S[K]> | undefined
    : S[K]["presence"] extends "list"
      ? readonly Value<S[K]>[]
      : Value<S[K]>;
};

type RequiredKeys<S extends Schema> = {
  [K in keyof S]: S[K]["presence"] extends "required" ? K : never;
}[keyof S];

/** What can be encoded with schema `S`: required fields must be there, all others may be left out. */
export type Encodable<S extends Schema> = { readonly [K in RequiredKeys<S>]: Value<S[K]> } & {
  readonly [K in Exclude<keyof S, RequiredKeys<S>>]?:
    | (S[K]["presence"] extends "list" ? readonly Value<S[K]>[] : Value<S[K]>)
    | undefined;
};

const FIELD_HEADER = 6;
const INT_SIZE = 8;
const MAX_TEXT = 16_384;
/** More than any payload can hold (262 144 / 6). */
const MOST = 65_536;

function field<T>(
  tag: number,
  wire: Wire,
  read: (bytes: Buffer, name: string) => T,
  write: (value: T, name: string) => Buffer,
): Field<T, "required"> {
  return { tag, wire, presence: "required", most: MOST, read, write };
}

/** May be absent (undefined). */
export function optional<T>(of: Field<T, "required">): Field<T, "optional"> {
  return { ...of, presence: "optional" };
}

/** May be absent; reads as `fallback` then. */
export function withDefault<T>(of: Field<T, "required">, fallback: T): Field<T, "default"> {
  return { ...of, presence: "default", fallback };
}

/** Any number of values up to `most`, in order. */
export function list<T>(of: Field<T, "required">, most = MOST): Field<T, "list"> {
  return { ...of, presence: "list", most };
}

/** An unsigned number from `min` to `max`. */
export function int(tag: number, max = Number.MAX_SAFE_INTEGER, min = 0): Field<number, "required"> {
  const bounds = { min: BigInt(min), max: BigInt(max) };
  return field(
    tag,
    "int",
    (bytes, name) => Number(within(readInt(bytes, name), bounds, name)),
    (value, name) => {
      if (!Number.isSafeInteger(value) || value < min || value > max) {
        throw unusable(name, `${value} is out of range`, `a whole number from ${min} to ${max}`);
      }
      return writeInt(BigInt(value));
    },
  );
}

/** An unsigned number that reads as 2^53-1 when it is larger, e.g. the size of an absurd sparse file. */
export function clampedInt(tag: number): Field<number, "required"> {
  const exact = int(tag);
  return field(
    tag,
    "int",
    (bytes, name) => Math.min(Number(readInt(bytes, name)), Number.MAX_SAFE_INTEGER),
    exact.write,
  );
}

/** An unsigned number of which all 64 bits count: inode numbers, nanoseconds since the epoch. */
export function bigInt(tag: number): Field<bigint, "required"> {
  return field(tag, "int", readInt, (value, name) => {
    if (value < 0n || value >= 1n << 64n) throw unusable(name, `${value} is out of range`, "0 to 2^64-1");
    return writeInt(value);
  });
}

/** A signed number of 64 bits: modification times. */
export function signedBigInt(tag: number): Field<bigint, "required"> {
  return field(
    tag,
    "sint",
    (bytes, name) => BigInt.asIntN(64, readInt(bytes, name)),
    (value, name) => {
      if (BigInt.asIntN(64, value) !== value) {
        throw unusable(name, `${value} is out of range`, "-2^63 to 2^63-1");
      }
      return writeInt(BigInt.asUintN(64, value));
    },
  );
}

export function bool(tag: number): Field<boolean, "required"> {
  return field(
    tag,
    "bool",
    (bytes, name) => {
      const value = bytes[0];
      if (bytes.length !== 1 || value === undefined || value > 1) throw malformed(name);
      return value === 1;
    },
    (value) => Buffer.of(value ? 1 : 0),
  );
}

/** Text: valid UTF-8 without NUL, at most `max` bytes. */
export function str(tag: number, max = MAX_TEXT): Field<string, "required"> {
  return field(
    tag,
    "str",
    (bytes, name) => {
      if (bytes.length > max || !isUtf8(bytes) || bytes.includes(0)) throw malformed(name);
      return bytes.toString("utf8");
    },
    (value, name) => withoutNul(Buffer.from(value, "utf8"), name, max),
  );
}

/** One of some words. With `otherwise`, words that are not known (a newer agent's) read as that. */
export function word<const W extends string>(
  tag: number,
  words: readonly W[],
  otherwise?: W,
): Field<W, "required"> {
  const text = str(tag, 64);
  return field(
    tag,
    "str",
    (bytes, name) => {
      const value = text.read(bytes, name);
      const known = words.find((one) => one === value) ?? otherwise;
      if (known === undefined) throw malformed(name);
      return known;
    },
    text.write,
  );
}

/** Bytes without NUL: paths, arguments, environment. Strings are sent as UTF-8; what comes back is always bytes. */
export function path(tag: number, max = MAX_TEXT): Field<Buffer, "required"> {
  return field(
    tag,
    "bytes",
    (bytes, name) => {
      if (bytes.length > max || bytes.includes(0)) throw malformed(name);
      return Buffer.from(bytes);
    },
    (value, name) => withoutNul(value, name),
  );
}

/** Any bytes. */
export function blob(tag: number): Field<Buffer, "required"> {
  return field(
    tag,
    "bytes",
    (bytes) => Buffer.from(bytes),
    (value) => value,
  );
}

/** A nested list of fields. */
export function rec<S extends Schema>(tag: number, schema: S): Field<Decoded<S>, "required"> {
  return field(
    tag,
    "rec",
    (bytes) => decodeFields(schema, bytes),
    (value) => encodeFields(schema, value as Encodable<S>),
  );
}

/**
 * Reads a payload strictly by its schema; unknown tags are skipped.
 * @throws guest_protocol for anything else that is not as the schema says
 */
export function decodeFields<S extends Schema>(schema: S, payload: Buffer): Decoded<S> {
  const names = byTag(schema);
  const values: Record<string, unknown> = {};
  for (const [name, one] of Object.entries(schema)) values[name] = one.presence === "list" ? [] : undefined;
  let at = 0;
  while (at < payload.length) {
    if (payload.length - at < FIELD_HEADER) throw violation("a field is cut off");
    const tag = payload.readUInt16LE(at);
    const length = payload.readUInt32LE(at + 2);
    at += FIELD_HEADER;
    if (length > payload.length - at) throw violation("a field is longer than its payload");
    const name = names.get(tag);
    const one = name === undefined ? undefined : schema[name];
    if (name !== undefined && one) store(values, name, one, payload.subarray(at, at + length));
    at += length;
  }
  for (const [name, one] of Object.entries(schema)) {
    if (values[name] !== undefined) continue;
    if (one.presence === "required") throw violation(`field ${name} is missing`);
    values[name] = one.fallback;
  }
  return values as Decoded<S>;
}

/** Writes a payload. Absent optional fields are left out. @throws invalid_argument naming the field */
export function encodeFields<S extends Schema>(schema: S, input: Encodable<S>): Buffer {
  const parts: Buffer[] = [];
  const given = input as Readonly<Record<string, unknown>>;
  for (const [name, one] of Object.entries(schema)) {
    const value = given[name];
    if (value === undefined) continue;
    for (const item of one.presence === "list" ? (value as readonly unknown[]) : [value]) {
      const bytes = one.write(item, name);
      const header = Buffer.allocUnsafe(FIELD_HEADER);
      header.writeUInt16LE(one.tag, 0);
      header.writeUInt32LE(bytes.length, 2);
      parts.push(header, bytes);
    }
  }
  return Buffer.concat(parts);
}

function store(values: Record<string, unknown>, name: string, one: Field<unknown>, bytes: Buffer): void {
  const value = one.read(bytes, name);
  if (one.presence !== "list") {
    if (values[name] !== undefined) throw violation(`field ${name} is there twice`);
    values[name] = value;
    return;
  }
  const items = values[name] as unknown[];
  if (items.length >= one.most) throw violation(`field ${name} has more than ${one.most} values`);
  items.push(value);
}

const tagTables = new WeakMap<Schema, ReadonlyMap<number, string>>();

function byTag(schema: Schema): ReadonlyMap<number, string> {
  let table = tagTables.get(schema);
  if (!table) {
    table = new Map(Object.entries(schema).map(([name, one]) => [one.tag, name]));
    tagTables.set(schema, table);
  }
  return table;
}

function readInt(bytes: Buffer, name: string): bigint {
  if (bytes.length !== INT_SIZE) throw malformed(name);
  return bytes.readBigUInt64LE(0);
}

function writeInt(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(INT_SIZE);
  bytes.writeBigUInt64LE(value, 0);
  return bytes;
}

function within(value: bigint, bounds: { min: bigint; max: bigint }, name: string): bigint {
  if (value < bounds.min || value > bounds.max) throw violation(`field ${name} is out of range (${value})`);
  return value;
}

function withoutNul(bytes: Buffer, name: string, max = Number.POSITIVE_INFINITY): Buffer {
  if (bytes.includes(0)) throw unusable(name, "it has a NUL byte in it", "text without NUL bytes");
  if (bytes.length > max) throw unusable(name, `it has ${bytes.length} bytes`, `at most ${max} bytes`);
  return bytes;
}

function malformed(name: string): BangerError {
  return violation(`field ${name} is malformed`);
}

function unusable(what: string, problem: string, accepted: string): BangerError {
  return BangerError.of("invalid_argument", { what, problem, accepted });
}
