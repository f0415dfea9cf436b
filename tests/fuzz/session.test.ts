/** A whole session against an agent that greets rightly and then sends what it likes: requests fail, nothing is thrown elsewhere. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BangerError } from "../../src/core/errors.ts";
import { encodeFrame, FRAME } from "../../src/guest/frames.ts";
import { listFiles, listProcesses, startProcess, statFile, watchFiles } from "../../src/guest/index.ts";
import { fuzz, type SeededRandom } from "../support/random.ts";
import { scripted } from "../unit/guest/scripted-agent.ts";

/** Something that could be an answer, an event or data of an open stream, with fields that could be fields. */
function reply(random: SeededRandom): Buffer {
  const type = random.pick([FRAME.response, FRAME.event, FRAME.data, FRAME.credit, FRAME.eof, FRAME.end]);
  const channel = type === FRAME.data || type === FRAME.eof ? 1 + random.below(2) : 0;
  const status = Buffer.of(random.below(4), 0);
  const field = () => {
    const value = random.bytes(random.pick([0, 1, 8, 40]));
    const head = Buffer.alloc(6);
    head.writeUInt16LE(random.below(12), 0);
    head.writeUInt32LE(random.below(8) === 0 ? random.below(2 ** 31) : value.length, 2);
    return Buffer.concat([head, value]);
  };
  const fields = Buffer.concat(Array.from({ length: random.below(5) }, field));
  const payload =
    type === FRAME.response || type === FRAME.event
      ? Buffer.concat([status, fields])
      : type === FRAME.data
        ? random.bytes(1 + random.below(100))
        : type === FRAME.credit
          ? random.bytes(4)
          : Buffer.alloc(0);
  return encodeFrame(type, 1 + random.below(6), channel, payload);
}

const expected = (error: unknown) =>
  assert.ok(error instanceof BangerError && error.code !== "internal", `${(error as Error).stack}`);

test("whatever the agent answers, every request ends, with a result or an error of the catalogue", async () => {
  const attempts = await fuzz(5000, async (random) => {
    const { session, agent } = await scripted();
    const requests = [
      statFile(session, "/"),
      listProcesses(session),
      startProcess(session, { argv: ["true"] }).then((process) => {
        process.stdout.on("error", expected).resume();
        process.stderr.on("error", expected).resume();
        process.stdin.on("error", expected);
        return process.exited;
      }),
      (async () => {
        for await (const _ of listFiles(session, "/"));
      })(),
      watchFiles(session, "/").ready,
    ].map((request) => request.catch(expected));
    for (let i = 0; i < 40 && session.isOpen; i++) agent.wire.write(reply(random));
    agent.wire.end();
    await Promise.all(requests);
    await session.closed;
    assert.equal(session.openStreams, 0);
  });
  assert.ok(attempts > 0);
});
