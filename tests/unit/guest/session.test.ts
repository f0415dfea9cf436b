import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { encodeFields } from "../../../src/guest/fields.ts";
import { encodeFrame, encodeHeader, FRAME } from "../../../src/guest/frames.ts";
import { OPERATIONS } from "../../../src/guest/operations.ts";
import { openGuest } from "../../../src/guest/session.ts";
import { MAX_SKIPPED, SYNC_MARK } from "../../../src/guest/sync.ts";
import { helloFields, type ScriptedAgent, scripted, wires } from "./scripted-agent.ts";

const protocolError = { code: "guest_protocol" };
const unreachable = { code: "guest_unreachable" };

test("a session starts with padding and mark, skips an older session's bytes, and reads HELLO", async () => {
  const { host, agent } = wires();
  agent.wire.write(encodeFrame(FRAME.data, 3, 1, Buffer.alloc(1000, 0xff)));
  agent.wire.write(Buffer.concat([SYNC_MARK, Buffer.alloc(16, 1)])); // an older mark with another nonce
  const [session] = await Promise.all([openGuest(host), agent.greet()]);
  assert.equal(session.hello.generation, 1);
  assert.equal(session.hello.role, "hosted");
  assert.ok(session.isOpen);
  session.close();
  assert.equal((await session.closed).code, "guest_unreachable");
  assert.ok(host.destroyed);
});

test("mark and HELLO may come byte by byte", async () => {
  const { host, agent } = wires();
  const opening = openGuest(host);
  const bytes = Buffer.concat([await agent.greeted.promise, encodeFrame(FRAME.hello, 0, 0, helloFields())]);
  for (const byte of bytes) agent.wire.write(Buffer.of(byte));
  assert.equal((await opening).hello.agentVersion, "test");
});

test("an agent of another generation is refused with both numbers", async () => {
  const { host, agent } = wires();
  const opening = openGuest(host);
  await agent.greet(helloFields({ generation: 2 }));
  await assert.rejects(opening, { code: "agent_version", message: /generation 2, this banger knows 1/ });
  assert.ok(host.destroyed);
});

test("a guest that never answers the mark is given up after 64 MiB", async () => {
  const { host, agent } = wires();
  const opening = openGuest(host);
  const noise = Buffer.alloc(1024 * 1024, 0x42);
  const flood = (async () => {
    for (let sent = 0; sent <= MAX_SKIPPED + 1 && !host.destroyed; sent += noise.length) {
      if (!agent.wire.write(noise)) await Promise.race([once(agent.wire, "drain"), once(host, "close")]);
    }
  })();
  await assert.rejects(opening, protocolError);
  await flood;
});

test("anything but HELLO after the mark breaks the protocol", async () => {
  const { host, agent } = wires();
  const opening = openGuest(host);
  agent.wire.write(Buffer.concat([await agent.greeted.promise, encodeFrame(FRAME.end, 1, 0)]));
  await assert.rejects(opening, protocolError);
});

test("time limit and signal end the opening", async () => {
  const first = wires();
  await assert.rejects(openGuest(first.host, { timeoutMs: 1 }), unreachable);
  assert.ok(first.host.destroyed);
  const second = wires();
  const abort = new AbortController();
  const opening = openGuest(second.host, { signal: abort.signal });
  abort.abort();
  await assert.rejects(opening, unreachable);
  await assert.rejects(openGuest(wires().host, { signal: AbortSignal.abort() }), unreachable);
});

test("a lost connection during the opening is unreachable", async () => {
  const { host, agent } = wires();
  const opening = openGuest(host);
  agent.wire.destroy();
  await assert.rejects(opening, unreachable);
});

test("requests are answered by stream, in any order", async () => {
  const { session, agent } = await scripted();
  const first = session.request("grow", {});
  const second = session.request("wait_system", { timeoutMs: 5 });
  const a = await agent.next(FRAME.request);
  const b = await agent.next(FRAME.request);
  assert.deepEqual([a.stream, b.stream], [1, 2]);
  assert.equal(a.payload.readUInt16LE(0), OPERATIONS.grow.op);
  agent.respond(2, encodeFields(OPERATIONS.wait_system.response, { state: "running" }));
  agent.end(2);
  agent.respond(1, encodeFields(OPERATIONS.grow.response, { bytes: 77 }));
  agent.end(1);
  assert.deepEqual(await second, { state: "running" });
  assert.deepEqual(await first, { bytes: 77 });
  await session.request("sync", {}, { signal: AbortSignal.abort() }).catch(() => {});
  assert.equal(session.openStreams, 0);
});

test("a refusal carries status, errno and message", async () => {
  const { session, agent } = await scripted();
  const asked = session.request("sync", {});
  const { stream } = await agent.next(FRAME.request);
  agent.respond(stream, failure(5, "disk \u0007 fault"), 11);
  agent.end(stream);
  await assert.rejects(asked, {
    code: "guest_refused",
    message: "the guest refused: disk \\x07 fault",
    details: { status: "io", errno: 5 },
  });
  assert.ok(session.isOpen);
});

test("an unknown status counts as io, not_found has its own code", async () => {
  const { session, agent } = await scripted();
  const asked = [session.request("sync", {}), session.request("sync", {})];
  agent.respond((await agent.next(FRAME.request)).stream, failure(0, ""), 999);
  agent.respond((await agent.next(FRAME.request)).stream, failure(2, "/x"), 3);
  await assert.rejects(asked[0] ?? assert.fail(), {
    code: "guest_refused",
    details: { status: "io", errno: 0 },
  });
  await assert.rejects(asked[1] ?? assert.fail(), { code: "guest_not_found" });
});

test("an operation that the agent does not list is not sent", async () => {
  const { host, agent } = wires();
  const [session] = await Promise.all([openGuest(host), agent.greet(helloFields({ ops: [1] }))]);
  await assert.rejects(session.request("sync", {}), {
    code: "guest_refused",
    details: { status: "unknown_op", errno: 0 },
  });
});

test("an aborted request is cancelled; its late answer is passed over", async () => {
  const { session, agent } = await scripted();
  const abort = new AbortController();
  const asked = session.request("sync", {}, { signal: abort.signal });
  const { stream } = await agent.next(FRAME.request);
  abort.abort();
  await assert.rejects(asked, unreachable);
  assert.equal((await agent.next(FRAME.cancel)).stream, stream);
  assert.equal(session.openStreams, 1);
  agent.respond(stream);
  agent.end(stream);
  const next = session.request("sync", {});
  const again = await agent.next(FRAME.request);
  agent.respond(again.stream);
  agent.end(again.stream);
  await next;
  assert.equal(session.openStreams, 0);
});

test("at most 1024 streams are open", async () => {
  const { session } = await scripted();
  const all = Array.from({ length: 1024 }, () => session.request("sync", {}));
  await assert.rejects(session.request("sync", {}), {
    code: "guest_refused",
    details: { status: "too_many", errno: 0 },
  });
  session.close();
  for (const result of await Promise.allSettled(all)) assert.equal(result.status, "rejected");
});

test("when the connection goes, every stream fails and later requests do, too", async () => {
  const { session, agent } = await scripted();
  const asked = session.request("sync", {});
  await agent.next(FRAME.request);
  agent.wire.destroy();
  await assert.rejects(asked, unreachable);
  assert.equal((await session.closed).code, "guest_unreachable");
  await assert.rejects(session.request("sync", {}), unreachable);
  assert.equal(session.openStreams, 0);
});

/** Each gets an open `connect` stream (answered) and one unanswered request, and then breaks a rule. */
const crimes: [string, (agent: ScriptedAgent, connected: number, asked: number) => void][] = [
  ["a second HELLO", (agent) => agent.send(FRAME.hello, 0, 0, helloFields())],
  ["a frame of a stream never opened", (agent) => agent.end(99)],
  ["a second answer", (agent, connected) => agent.respond(connected)],
  ["data before the answer", (agent, _, asked) => agent.data(asked, 1, Buffer.of(1))],
  ["an event before the answer", (agent, _, asked) => agent.event(asked, "done")],
  ["an end before the answer", (agent, _, asked) => agent.end(asked)],
  [
    "data on a channel that the operation does not have",
    (agent, connected) => agent.data(connected, 2, Buffer.of(1)),
  ],
  ["an event that the operation does not have", (agent, connected) => agent.event(connected, "overflow")],
  ["an event nobody knows", (agent, connected) => agent.send(FRAME.event, connected, 0, Buffer.of(77, 0))],
  ["two EOFs", (agent, connected) => repeat(2, () => agent.send(FRAME.eof, connected, 1))],
  [
    "data after EOF",
    (agent, connected) => {
      agent.send(FRAME.eof, connected, 1);
      agent.data(connected, 1, Buffer.of(1));
    },
  ],
  [
    "anything after END",
    (agent, connected) => {
      agent.send(FRAME.eof, connected, 1);
      agent.end(connected);
      agent.end(connected);
    },
  ],
  [
    "anything but END after a refusal",
    (agent, _, asked) => {
      agent.respond(asked, failure(0, ""), 11);
      agent.credit(asked, 1);
    },
  ],
  [
    "data beyond the window",
    (agent, connected) => repeat(10, () => agent.data(connected, 1, Buffer.alloc(65_536))),
  ],
  [
    "credit beyond the largest window",
    (agent, connected) => repeat(2, () => agent.credit(connected, 600_000)),
  ],
  ["no credit as credit", (agent, connected) => agent.credit(connected, 0)],
  ["credit for a stream that takes no data", (agent, _, asked) => agent.credit(asked, 10)],
  ["a malformed answer", (agent, _, asked) => agent.respond(asked, Buffer.of(1, 2, 3))],
  ["an illegal header", (agent) => agent.wire.write(encodeHeader(FRAME.data, 1, 1, 1_000_000))],
];
for (const [what, commit] of crimes) {
  test(`${what} closes the session`, async () => {
    const { session, agent, host } = await scripted();
    session.open("connect", { port: 1 });
    const connected = (await agent.next(FRAME.request)).stream;
    agent.respond(connected);
    const asked = session.request("grow", {});
    asked.catch(() => {});
    commit(agent, connected, (await agent.next(FRAME.request)).stream);
    assert.equal((await session.closed).code, "guest_protocol");
    assert.ok(host.destroyed);
  });
}

function failure(errno: number, message: string): Buffer {
  const text = Buffer.from(message);
  const fields = Buffer.alloc(20);
  fields.writeUInt16LE(1, 0);
  fields.writeUInt32LE(8, 2);
  fields.writeBigUInt64LE(BigInt(errno), 6);
  fields.writeUInt16LE(2, 14);
  fields.writeUInt32LE(text.length, 16);
  return Buffer.concat([fields, text]);
}

function repeat(times: number, action: () => void): void {
  for (let i = 0; i < times; i++) action();
}
