/** The client's end of a WebSocket: against `ws`, which serves the daemon's end, and against servers that break the rules. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { type TestContext, test } from "node:test";
import { type WebSocket as ServerEnd, WebSocketServer } from "ws";
import { MAX_EXEC_MESSAGE } from "../../../src/core/limits.ts";
import { connectUnix } from "../../../src/host/unix-socket.ts";
import { Transport } from "../../../src/sdk/transport.ts";
import type { WebSocket } from "../../../src/sdk/web-socket.ts";
import { type Message, MessageReader } from "../../../src/sdk/web-socket-frames.ts";
import { SeededRandom } from "../../support/random.ts";
import { temporaryFolder } from "../../support/temporary.ts";

/** A client whose upgrade request `upgrade` answers. */
async function clientOf(
  t: TestContext,
  upgrade: (key: string, socket: Duplex, serve: () => Promise<ServerEnd>) => void,
): Promise<WebSocket> {
  const ends = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const server = createServer().on("upgrade", (request, socket, head) => {
    t.after(() => socket.destroy());
    const serve = () =>
      new Promise<ServerEnd>((done) => ends.handleUpgrade(request, socket, head, (end) => done(end)));
    upgrade(request.headers["sec-websocket-key"] ?? "", socket, serve);
  });
  const path = join(temporaryFolder(t), "socket");
  server.listen(path);
  await once(server, "listening");
  t.after(() => server.close());
  return new Transport(() => connectUnix(path)).webSocket("/somewhere");
}

async function bothEnds(t: TestContext): Promise<{ client: WebSocket; end: ServerEnd }> {
  const served = Promise.withResolvers<ServerEnd>();
  const client = await clientOf(t, (_key, _socket, serve) => void serve().then(served.resolve));
  return { client, end: await served.promise };
}

test("messages of any size go both ways as they are, texts and bytes", async (t) => {
  const { client, end } = await bothEnds(t);
  end.on("message", (data, isBinary) => end.send(data as Buffer, { binary: isBinary }));
  client.resume();
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 1_000_000, MAX_EXEC_MESSAGE]) {
    for (const sent of [randomBytes(size), "ä".repeat(size >> 1)]) {
      client.send(sent);
      const [back, binary] = await once(client, "message");
      assert.equal(binary, typeof sent !== "string");
      assert.ok(back.equals(Buffer.from(sent)), `${size} bytes`);
    }
  }
});

test("pings are answered, and do not disturb the messages around them", async (t) => {
  const { client, end } = await bothEnds(t);
  client.resume();
  end.ping("are you there");
  const [answer] = await once(end, "pong");
  assert.equal(String(answer), "are you there");
  end.send("first half, ", { fin: false });
  end.ping();
  end.send("second half", { fin: true });
  const [data] = await once(client, "message");
  assert.equal(String(data), "first half, second half");
});

test("while it is paused no message comes, also none that is here already; then they come in order", async (t) => {
  const { client, end } = await bothEnds(t);
  const got: string[] = [];
  client.on("message", (data) => {
    got.push(String(data));
    client.pause();
    assert.ok(client.isPaused);
    setImmediate(() => {
      assert.equal(got.at(-1), String(data), "nothing came in the pause");
      client.resume();
    });
  });
  const sent = Array.from({ length: 50 }, (_, n) => `message ${n}`);
  for (const text of sent) end.send(text);
  end.close(1000);
  client.resume();
  assert.deepEqual(await once(client, "close"), [1000]);
  assert.deepEqual(got, sent);
});

test("a reader that pauses holds the sender back", async (t) => {
  const { client, end } = await bothEnds(t);
  const piece = randomBytes(64 * 1024);
  for (let n = 0; n < 64; n++) end.send(piece);
  client.on("message", () => client.pause());
  const first = once(client, "message");
  client.resume();
  await first;
  await new Promise(setImmediate);
  assert.ok(end.bufferedAmount > 32 * piece.length, `${end.bufferedAmount} bytes wait at the sender`);
});

test("each end learns the code that the other closed with, and when there was none", async (t) => {
  const closed = async (how: (ends: { client: WebSocket; end: ServerEnd }) => void) => {
    const ends = await bothEnds(t);
    ends.client.resume();
    how(ends);
    const [[ours], [theirs]] = await Promise.all([once(ends.client, "close"), once(ends.end, "close")]);
    return [ours, theirs];
  };
  assert.deepEqual(await closed(({ client }) => client.close()), [1000, 1000]);
  assert.deepEqual(await closed(({ client }) => client.close(1011)), [1011, 1011]);
  assert.deepEqual(await closed(({ end }) => end.close(1011, "a reason")), [1011, 1011]);
  assert.deepEqual(await closed(({ end }) => end.close()), [1005, 1005]);
  assert.deepEqual(await closed(({ client }) => client.terminate()), [1006, 1006]);
  assert.deepEqual(await closed(({ end }) => end.terminate()), [1006, 1006]);
});

test("what is sent when it is over is told to have failed, and harms nothing", async (t) => {
  const { client, end } = await bothEnds(t);
  client.resume();
  client.close();
  client.close();
  const failed = Promise.withResolvers<unknown>();
  client.send("late", failed.resolve);
  assert.equal(((await failed.promise) as { code: string }).code, "daemon_connection_lost");
  await Promise.all([once(client, "close"), once(end, "close")]);
  client.send("later");
  client.terminate();
});

test("an answer that is no WebSocket's is refused", async (t) => {
  const head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n";
  for (const accept of ["", "Sec-WebSocket-Accept: bm90IHRoaXMgb25l\r\n"]) {
    await assert.rejects(
      clientOf(t, (_key, socket) => void socket.write(`${head}${accept}\r\n`)),
      { code: "internal", message: /key/ },
    );
  }
  await assert.rejects(
    clientOf(t, (_key, socket) => void socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")),
    { code: "internal", message: /404/ },
  );
  await assert.rejects(
    clientOf(t, (_key, socket) => void socket.destroy()),
    { code: "daemon_connection_lost" },
  );
});

test("a server that breaks the rules is told as an error and cut off", async (t) => {
  const client = await clientOf(
    t,
    (_key, socket, serve) => void serve().then(() => socket.write(frame(0x81, 0x80 | 2, "\0\0\0\0hi"))),
  );
  const failed = once(client, "error");
  const closed = new Promise((resolve) => client.once("close", resolve));
  client.resume();
  assert.match(String((await failed)[0]), /no server may send/);
  assert.equal(await closed, 1006);
});

const LIMIT = 1000;

function frame(lead: number, length: number, payload: string | Buffer = Buffer.alloc(length & 0x7f)): Buffer {
  return Buffer.concat([Buffer.from([lead, length]), Buffer.from(payload)]);
}

function read(...chunks: readonly Buffer[]): Message[] {
  const reader = new MessageReader(LIMIT);
  const messages: Message[] = [];
  for (const chunk of chunks) {
    reader.add(chunk);
    for (let message = reader.next(); message; message = reader.next()) messages.push(message);
  }
  return messages;
}

test("messages are the same however their bytes are cut", () => {
  const long = randomBytes(LIMIT);
  const bytes = Buffer.concat([
    frame(0x81, 5, "hello"),
    frame(0x02, 3, "abc"),
    frame(0x89, 2, "hi"),
    frame(0x00, 0),
    frame(0x80, 3, "def"),
    frame(0x82, 126, Buffer.concat([Buffer.from([LIMIT >> 8, LIMIT & 0xff]), long])),
    frame(0x82, 127, Buffer.concat([Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]), Buffer.from("x")])),
    frame(0x88, 2, "\x03\xe8"),
  ]);
  const whole = read(bytes);
  assert.deepEqual(
    whole.map(({ kind, data }) => [kind, data.length]),
    [
      ["text", 5],
      ["ping", 2],
      ["binary", 6],
      ["binary", LIMIT],
      ["binary", 1],
      ["close", 2],
    ],
  );
  assert.equal(String(whole[2]?.data), "abcdef");
  assert.deepEqual(read(...Array.from(bytes, (byte) => Buffer.from([byte]))), whole);
  const random = new SeededRandom(1);
  for (let round = 0; round < 200; round++) {
    const cuts: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = random.below(random.pick([3, 50, 700]));
      cuts.push(bytes.subarray(at, at + size));
      at += size;
    }
    assert.deepEqual(read(...cuts), whole);
  }
});

test("what the standard or the limit forbids is refused before its bytes are collected", () => {
  const refused: readonly (readonly [string, ...Buffer[]])[] = [
    ["masked", frame(0x81, 0x80)],
    ["of an extension", frame(0xc1, 0)],
    ["unknown kind", frame(0x83, 0)],
    ["unknown control kind", frame(0x8b, 0)],
    ["a control frame in parts", frame(0x09, 0)],
    ["a long control frame", frame(0x89, 126, "\x01\x00")],
    ["a part of nothing", frame(0x80, 1)],
    ["a message within another", frame(0x01, 1), frame(0x81, 1)],
    ["too long by one", frame(0x82, 126, Buffer.from([(LIMIT + 1) >> 8, (LIMIT + 1) & 0xff]))],
    ["absurdly long", frame(0x82, 127, Buffer.alloc(8, 0xff))],
    ["too long together", frame(0x02, 100), ...Array.from({ length: 10 }, () => frame(0x00, 100))],
  ];
  for (const [what, ...chunks] of refused) {
    assert.throws(() => read(...chunks), { code: "internal" }, what);
  }
});
