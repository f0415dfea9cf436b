/** The frame decoder against bytes of every kind: it either decodes or breaks off with guest_protocol, never anything else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BangerError } from "../../src/core/errors.ts";
import {
  encodeFrame,
  FRAME,
  type Frame,
  FrameDecoder,
  HEADER_SIZE,
  MAX_PAYLOAD,
} from "../../src/guest/frames.ts";
import { fuzz, type SeededRandom } from "../support/random.ts";

const TYPES = Object.values(FRAME);

/** A frame that is often legal, and sometimes damaged in one byte of its header. */
function frame(random: SeededRandom): Buffer {
  const payload = random.bytes(random.pick([0, 1, 2, 4, 300, random.below(70_000)]));
  const bytes = encodeFrame(random.pick(TYPES), random.below(5), random.below(4), payload);
  if (random.below(4) === 0) bytes[random.below(HEADER_SIZE)] = random.below(256);
  return bytes;
}

/** Feeds the bytes in pieces cut at random places; what was decoded, and what broke it off. */
function decode(bytes: Buffer, cut: () => number): { frames: Frame[]; error: unknown } {
  const frames: Frame[] = [];
  const decoder = new FrameDecoder((one) => frames.push({ ...one, payload: Buffer.from(one.payload) }));
  try {
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + 1 + cut());
      decoder.push(bytes.subarray(at, end));
      at = end;
    }
    return { frames, error: null };
  } catch (error) {
    return { frames, error };
  }
}

function check({ frames, error }: ReturnType<typeof decode>): void {
  if (error !== null)
    assert.ok(error instanceof BangerError && error.code === "guest_protocol", String(error));
  for (const one of frames) {
    assert.ok(TYPES.includes(one.type as (typeof TYPES)[number]));
    assert.ok(one.payload.length <= MAX_PAYLOAD);
    assert.ok(one.channel <= 2);
  }
}

test("frames, half of them damaged, decode the same however they are cut", async () => {
  let whole = 0;
  let broken = 0;
  const attempts = await fuzz(4000, (random) => {
    const bytes = Buffer.concat(Array.from({ length: 1 + random.below(6) }, () => frame(random)));
    const one = decode(bytes, () => random.below(random.pick([1, 7, 1000, 100_000])));
    check(one);
    const other = decode(bytes, () => bytes.length);
    assert.deepEqual(one.frames, other.frames);
    assert.equal(String(one.error), String(other.error));
    one.error ? broken++ : whole++;
  });
  // Both ways were gone, or the test tells nothing.
  if (attempts > 100)
    assert.ok(whole > attempts / 100 && broken > attempts / 100, `${whole} whole, ${broken} broken`);
});

test("noise is broken off", async () => {
  await fuzz(1500, (random) => {
    check(decode(random.bytes(random.below(5000)), () => random.below(100)));
  });
});
