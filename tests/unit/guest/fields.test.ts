import assert from "node:assert/strict";
import { test } from "node:test";
import * as f from "../../../src/guest/fields.ts";

const protocolError = { code: "guest_protocol" };
const unusable = { code: "invalid_argument" };

const schema = {
  count: f.int(1, 100),
  size: f.optional(f.clampedInt(2)),
  ino: f.withDefault(f.bigInt(3), 5n),
  mtime: f.optional(f.signedBigInt(4)),
  on: f.withDefault(f.bool(5), false),
  text: f.optional(f.str(6, 10)),
  paths: f.list(f.path(7), 3),
  kind: f.optional(f.word(8, ["a", "b", "other"], "other")),
  nested: f.list(f.rec(9, { id: f.int(1), note: f.optional(f.str(2)) })),
} as const;

function raw(tag: number, bytes: Buffer, length = bytes.length): Buffer {
  const header = Buffer.alloc(6);
  header.writeUInt16LE(tag, 0);
  header.writeUInt32LE(length, 2);
  return Buffer.concat([header, bytes]);
}
const u64 = (value: bigint) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
  return bytes;
};
const count = raw(1, u64(1n));
const decode = (...parts: Buffer[]) => f.decodeFields(schema, Buffer.concat(parts));

test("what is encoded decodes to the same values", () => {
  const values = {
    count: 42,
    size: 2 ** 40,
    ino: 2n ** 64n - 1n,
    mtime: -3n,
    on: true,
    text: "grüße",
    paths: [Buffer.from([0xff, 0xfe]), Buffer.from("b")],
    kind: "b",
    nested: [
      { id: 1, note: undefined },
      { id: 2, note: "x" },
    ],
  } as const;
  assert.deepEqual(f.decodeFields(schema, f.encodeFields(schema, values)), values);
});

test("absent fields are undefined, their default, or an empty list", () => {
  assert.deepEqual(decode(count), {
    count: 1,
    size: undefined,
    ino: 5n,
    mtime: undefined,
    on: false,
    text: undefined,
    paths: [],
    kind: undefined,
    nested: [],
  });
});

test("unknown tags are skipped and unknown words read as the other word", () => {
  const decoded = decode(count, raw(999, Buffer.from("anything")), raw(8, Buffer.from("z")));
  assert.equal(decoded.kind, "other");
});

test("numbers too large for a double are clamped where that is allowed", () => {
  assert.equal(decode(count, raw(2, u64(2n ** 64n - 1n))).size, Number.MAX_SAFE_INTEGER);
});

const malformed: [string, ...Buffer[]][] = [
  ["a missing required field"],
  ["a field header that is cut off", count, Buffer.from([1, 0, 8])],
  ["a field longer than the payload", count, raw(6, Buffer.from("ab"), 3)],
  ["a field of 4 GiB", count, raw(6, Buffer.alloc(0), 0xffff_ffff)],
  ["an int of 4 bytes", raw(1, Buffer.alloc(4))],
  ["an int out of range", raw(1, u64(101n))],
  ["a field twice", count, count],
  ["a bool of 2", count, raw(5, Buffer.of(2))],
  ["a bool of two bytes", count, raw(5, Buffer.alloc(2))],
  ["text that is not UTF-8", count, raw(6, Buffer.of(0xc3, 0x28))],
  ["text with NUL", count, raw(6, Buffer.from("a\0b"))],
  ["text that is too long", count, raw(6, Buffer.alloc(11, 97))],
  ["a path with NUL", count, raw(7, Buffer.from("a\0"))],
  ["a list that is too long", count, ...Array.from({ length: 4 }, () => raw(7, Buffer.from("a")))],
  ["a record that is malformed inside", count, raw(9, Buffer.from([1]))],
  ["a record without its required field", count, raw(9, Buffer.alloc(0))],
];
for (const [what, ...parts] of malformed) {
  test(`${what} breaks the protocol`, () => assert.throws(() => decode(...parts), protocolError));
}

test("values that cannot be sent are named", () => {
  assert.throws(() => f.encodeFields(schema, { count: 101 }), { ...unusable, message: /^count: / });
  assert.throws(() => f.encodeFields(schema, { count: -1 }), unusable);
  assert.throws(() => f.encodeFields(schema, { count: 1.5 }), unusable);
  assert.throws(() => f.encodeFields(schema, { count: 1, ino: -1n }), unusable);
  assert.throws(() => f.encodeFields(schema, { count: 1, mtime: 2n ** 63n }), unusable);
  assert.throws(() => f.encodeFields(schema, { count: 1, text: "a\0" }), unusable);
  assert.throws(() => f.encodeFields(schema, { count: 1, text: "elf bytes!!" }), unusable);
  assert.throws(() => f.encodeFields(schema, { count: 1, paths: [Buffer.of(0)] }), unusable);
});

test("decoded objects have the schema's keys only, whatever tags the guest sends", () => {
  const decoded = decode(count, raw(0x5f5f, Buffer.from("__proto__")));
  assert.deepEqual(Object.keys(decoded).sort(), Object.keys(schema).sort());
  assert.equal(Object.getPrototypeOf(decoded), Object.prototype);
});
