import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteQueue } from "../../../src/guest/byte-queue.ts";

test("bytes come out in order, however they were cut up", () => {
  const queue = new ByteQueue();
  const pieces = [1, 8192, 5, 20_000, 3, 3, 16_384, 8191, 8191, 1].map((size, i) =>
    Buffer.alloc(size, i + 1),
  );
  const all = Buffer.concat(pieces);
  const out: Buffer[] = [];
  for (const [i, piece] of pieces.entries()) {
    queue.add(piece);
    if (i === 4) out.push(queue.take() ?? Buffer.alloc(0));
  }
  assert.equal(queue.length, all.length - Buffer.concat(out).length);
  for (let piece = queue.take(); piece; piece = queue.take()) out.push(piece);
  assert.ok(Buffer.concat(out).equals(all));
  assert.equal(queue.length, 0);
  assert.equal(queue.take(), null);
});

test("many tiny pieces of large chunks hold no more than a small multiple of their bytes", () => {
  const queue = new ByteQueue();
  for (let i = 0; i < 4096; i++) queue.add(Buffer.alloc(65_536).subarray(0, 1));
  for (let i = 0; i < 8; i++) queue.add(Buffer.alloc(262_144).subarray(0, 8192));
  const held = new Set<ArrayBufferLike>();
  for (let piece = queue.take(); piece; piece = queue.take()) held.add(piece.buffer);
  const bytes = [...held].reduce((sum, buffer) => sum + buffer.byteLength, 0);
  assert.ok(bytes < 256 * 1024, `${bytes} bytes are held`);
});
