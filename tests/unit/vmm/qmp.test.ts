import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { Qmp } from "../../../src/vmm/qemu/qmp.ts";
import { socketPair } from "../../support/socket-pair.ts";

const GREETING = '{"QMP": {"version": {}, "capabilities": []}}\r\n';

type Command = { execute: string; arguments: Record<string, unknown> };

/** A monitor that answers each command with what `answer` returns. */
async function monitor(t: TestContext, answer: (command: Command, far: Socket) => string) {
  const { near, far } = await socketPair(t);
  const lines = createInterface({ input: far });
  lines.on("error", () => {}); // the connection was cut: that is what some tests are about
  lines.on("line", (line) => {
    const command = JSON.parse(line) as Command;
    far.write(command.execute === "qmp_capabilities" ? '{"return": {}}\r\n' : answer(command, far));
  });
  far.write(GREETING);
  return { qmp: await Qmp.open(near), far };
}

test("commands are answered in order, with their arguments sent along", async (t) => {
  const { qmp } = await monitor(
    t,
    ({ execute, arguments: args }) => `${JSON.stringify({ return: { did: execute, with: args } })}\r\n`,
  );
  const answers = await Promise.all([
    qmp.execute("first", { a: 'quote" newline\n' }),
    qmp.execute("second"),
    qmp.execute("third"),
  ]);
  assert.deepEqual(answers, [
    { did: "first", with: { a: 'quote" newline\n' } },
    { did: "second", with: {} },
    { did: "third", with: {} },
  ]);
});

test("an error answer rejects its own command with QEMU's words, not the next", async (t) => {
  const { qmp } = await monitor(t, ({ execute }) =>
    execute === "bad" ? '{"error": {"class": "GenericError", "desc": "no such thing"}}\n' : '{"return": 1}\n',
  );
  const [bad, good] = await Promise.allSettled([qmp.execute("bad"), qmp.execute("good")]);
  assert.equal(bad.status === "rejected" && (bad.reason as Error).message, "no such thing");
  assert.deepEqual(good, { status: "fulfilled", value: 1 });
});

test("messages cut anywhere, and events between answers, do not disturb", async (t) => {
  const { qmp } = await monitor(t, (_, far) => {
    const text = '{"event": "RTC_CHANGE", "data": {}}\r\n{"return": "whole ☃"}\r\n';
    for (const byte of Buffer.from(text)) far.write(Buffer.of(byte));
    return "";
  });
  assert.equal(await qmp.execute("anything"), "whole ☃");
});

test("the reason of the last SHUTDOWN event is kept", async (t) => {
  for (const reason of ["guest-shutdown", "guest-panic", "host-qmp-quit"]) {
    const { qmp, far } = await monitor(t, () => "");
    far.end(`{"event": "SHUTDOWN", "data": {"guest": true, "reason": "${reason}"}}\r\n`);
    await qmp.closed;
    assert.equal(qmp.shutdownReason, reason);
  }
});

test("a SHUTDOWN event without a reason that is text says nothing", async (t) => {
  const { qmp, far } = await monitor(t, () => "");
  far.end('{"event": "SHUTDOWN"}\n{"event": "SHUTDOWN", "data": {"reason": {}}}\n');
  await qmp.closed;
  assert.equal(qmp.shutdownReason, null);
});

test("a port that the guest opens or closes is told with its id", async (t) => {
  const { qmp, far } = await monitor(t, () => "");
  const told: [string, boolean][] = [];
  const both = new Promise<void>((resolve) => {
    qmp.onPort = (id, open) => void (told.push([id, open]) === 2 && resolve());
  });
  far.write('{"event": "VSERPORT_CHANGE", "data": {"open": true, "id": "other"}}\n');
  far.write('{"event": "VSERPORT_CHANGE", "data": {"open": false, "id": "port"}}\n');
  await both;
  assert.deepEqual(told, [
    ["other", true],
    ["port", false],
  ]);
});

for (const [name, garbage] of [
  ["text that is no JSON", "GET / HTTP/1.1\r\n"],
  ["JSON that is no object", "null\n"],
  ["a number", "17\n"],
] as const) {
  test(`${name} ends the connection, and what waits is told`, async (t) => {
    const { qmp } = await monitor(t, () => garbage);
    await assert.rejects(qmp.execute("anything"), /QEMU ended/);
    await qmp.closed;
  });
}

test("a line without end is cut off at a limit", async (t) => {
  const { qmp, far } = await monitor(t, () => "");
  const flood = (async () => {
    const piece = Buffer.alloc(256 * 1024, 0x20);
    for (let sent = 0; sent < 64 * piece.length && !far.destroyed; sent += piece.length)
      if (!far.write(piece))
        await new Promise((resolve) => far.once("drain", resolve).once("close", resolve));
    return far.bytesWritten;
  })();
  await qmp.closed;
  assert.ok((await flood) < 8 * 1024 * 1024);
});

test("a monitor that ends before its greeting, or in the middle of a command, is told", async (t) => {
  const silent = await socketPair(t);
  silent.far.end();
  await assert.rejects(Qmp.open(silent.near), /QEMU ended/);
  const { qmp } = await monitor(t, (_, far) => {
    far.destroy();
    return "";
  });
  await assert.rejects(qmp.execute("quit"), /QEMU ended/);
  await qmp.closed;
});

test("a command after the end is refused at once", async (t) => {
  const { qmp, far } = await monitor(t, () => "");
  far.end();
  await qmp.closed;
  await assert.rejects(qmp.execute("block_resize"), /QEMU ended/);
});
