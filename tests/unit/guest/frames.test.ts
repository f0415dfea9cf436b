import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeFrame,
  encodeHeader,
  FRAME,
  type Frame,
  FrameDecoder,
  MAX_DATA,
} from "../../../src/guest/frames.ts";

const protocolError = { code: "guest_protocol" };

function collect(sender: "agent" | "host" = "agent") {
  const frames: Frame[] = [];
  return { frames, decoder: new FrameDecoder((frame) => frames.push(frame), sender) };
}

test("frames cut at every byte decode to the same frames", () => {
  const stream = Buffer.concat([
    encodeFrame(FRAME.response, 1, 0, Buffer.from([0, 0, 1, 2])),
    encodeFrame(FRAME.data, 1, 1, Buffer.alloc(300, 7)),
    encodeFrame(FRAME.eof, 1, 2),
    encodeFrame(FRAME.end, 1, 0),
  ]);
  for (let cut = 0; cut <= stream.length; cut++) {
    const { frames, decoder } = collect();
    decoder.push(stream.subarray(0, cut));
    decoder.push(stream.subarray(cut));
    assert.deepEqual(
      frames.map(({ type, channel, payload }) => [type, channel, payload.length]),
      [
        [FRAME.response, 0, 4],
        [FRAME.data, 1, 300],
        [FRAME.eof, 2, 0],
        [FRAME.end, 0, 0],
      ],
    );
    assert.ok(decoder.atBoundary);
  }
});

test("a frame within one chunk is handed on without a copy", () => {
  const chunk = encodeFrame(FRAME.data, 9, 1, Buffer.alloc(1000, 1));
  const { frames, decoder } = collect();
  decoder.push(chunk);
  assert.equal(frames[0]?.payload.buffer, chunk.buffer);
});

const illegal: [string, Buffer][] = [
  ["a payload beyond the limit", encodeHeader(FRAME.response, 1, 0, 262_145)],
  ["DATA beyond its limit", encodeHeader(FRAME.data, 1, 1, MAX_DATA + 1)],
  ["empty DATA", encodeHeader(FRAME.data, 1, 1, 0)],
  ["DATA on the host's channel", encodeHeader(FRAME.data, 1, 0, 1)],
  ["DATA on channel 3", encodeHeader(FRAME.data, 1, 3, 1)],
  ["an unknown type", encodeHeader(77, 1, 0, 0)],
  ["padding from the agent", encodeHeader(FRAME.padding, 0, 0, 0)],
  ["REQUEST from the agent", encodeHeader(FRAME.request, 1, 0, 2)],
  ["CANCEL from the agent", encodeHeader(FRAME.cancel, 1, 0, 0)],
  ["CREDIT of three bytes", encodeHeader(FRAME.credit, 1, 0, 3)],
  ["EOF with a payload", encodeHeader(FRAME.eof, 1, 1, 1)],
  ["END with a payload", encodeHeader(FRAME.end, 1, 0, 1)],
  ["EVENT without a number", encodeHeader(FRAME.event, 1, 0, 1)],
  ["HELLO on a stream", encodeHeader(FRAME.hello, 1, 0, 0)],
  ["RESPONSE on the session", encodeHeader(FRAME.response, 0, 0, 2)],
  ["reserved bytes in use", Buffer.from([0, 0, 0, 0, 1, 0, 0, 0, FRAME.end, 0, 1, 0])],
];
for (const [what, header] of illegal) {
  test(`${what} is refused by its header alone`, () => {
    assert.throws(() => collect().decoder.push(header), protocolError);
    const { decoder } = collect();
    assert.throws(() => {
      decoder.push(header.subarray(0, 5));
      decoder.push(header.subarray(5));
    }, protocolError);
  });
}

test("decoding is faster than 200 MB/s", () => {
  const frame = encodeFrame(FRAME.data, 1, 1, Buffer.alloc(MAX_DATA));
  const stream = Buffer.concat(Array.from({ length: 16 }, () => frame));
  let bytes = 0;
  const decoder = new FrameDecoder(({ payload }) => (bytes += payload.length));
  const started = performance.now();
  for (let round = 0; round < 200; round++) {
    for (let at = 0; at < stream.length; at += 65_536) decoder.push(stream.subarray(at, at + 65_536));
  }
  const rate = bytes / (performance.now() - started) / 1000;
  assert.equal(bytes, 200 * 16 * MAX_DATA);
  assert.ok(rate > 200, `${Math.round(rate)} MB/s`);
});
