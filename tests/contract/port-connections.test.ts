/** Connections to guest ports: the SDK, the daemon's route and the real agent, on this host instead of in a VM. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { WebSocket } from "ws";
import { serveConnection } from "../../src/daemon/connect-socket.ts";
import { buildServer, type Handlers } from "../../src/daemon/server.ts";
import type { GuestSession } from "../../src/guest/index.ts";
import { connectUnix } from "../../src/host/unix-socket.ts";
import { connectPort } from "../../src/sdk/connect-port.ts";
import { Transport } from "../../src/sdk/transport.ts";
import { hostedAgent } from "../support/hosted-agent.ts";

interface Setting {
  readonly session: GuestSession;
  readonly transport: Transport;
  /** Opens a connection as a client of the daemon does. */
  connect(port: number, signal?: AbortSignal): Promise<Duplex>;
}

async function setting(t: TestContext): Promise<Setting> {
  const agent = await hostedAgent(t);
  const session = await agent.connect();
  const handlers = {
    connectPort: (socket: WebSocket, { port = "" }: Record<string, string>) =>
      serveConnection(socket, port, async () => session),
  } as unknown as Handlers;
  const server = await buildServer(handlers);
  const socket = join(agent.folder, "daemon.sock");
  await server.listen({ path: socket });
  const transport = new Transport(() => connectUnix(socket));
  t.after(async () => {
    transport.close();
    await server.close();
  });
  return {
    session,
    transport,
    connect: (port, signal) => connectPort(transport, "/v1/vms/box", port, signal),
  };
}

async function listening(
  t: TestContext,
  serve: (socket: Socket) => void,
  host = "127.0.0.1",
): Promise<number> {
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    t.after(() => socket.destroy());
    serve(socket);
  });
  server.listen(0, host);
  await once(server, "listening");
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

test("bytes go both ways unchanged, at any size, and both half closes are passed on", async (t) => {
  const { connect: open } = await setting(t);
  const sent = randomBytes(24 * 1024 * 1024);
  // Answers only after it has seen our end: works only when half close does.
  const port = await listening(t, (socket) => void buffer(socket).then((all) => socket.end(all.reverse())));
  const connection = await open(port);
  connection.end(sent);
  const answer = await buffer(connection);
  assert.ok(answer.equals(Buffer.from(sent).reverse()));

  const early = await listening(t, (socket) => {
    socket.end("bye");
    void text(socket).then((rest) => heard.resolve(rest));
  });
  const heard = Promise.withResolvers<string>();
  const other = await open(early);
  assert.equal(await text(other), "bye");
  other.end("still listening?");
  assert.equal(await heard.promise, "still listening?");
  if (!other.closed) await once(other, "close");
});

test("a service on ::1 alone is found", async (t) => {
  const { connect: open } = await setting(t);
  const port = await listening(t, (socket) => socket.end("six"), "::1");
  const connection = await open(port);
  connection.end();
  assert.equal(await text(connection), "six");
});

test("a reader that does not read holds the guest's service back, and memory stays bounded", async (t) => {
  const { connect: open } = await setting(t);
  const total = 64 * 1024 * 1024;
  let taken = 0;
  const full = Promise.withResolvers<void>();
  const port = await listening(t, (socket) => {
    const piece = Buffer.alloc(1024 * 1024, 7);
    const more = () => {
      while (taken < total) {
        taken += piece.length;
        if (!socket.write(piece)) {
          full.resolve();
          socket.once("drain", more);
          return;
        }
      }
      socket.end();
    };
    more();
  });
  const connection = await open(port);
  await full.promise;
  // Other requests are answered while this one waits, and what is under way is bounded by the windows of each hop.
  const second = await open(await listening(t, (socket) => socket.end("ok")));
  second.end();
  assert.equal(await text(second), "ok");
  assert.ok(taken < 32 * 1024 * 1024, `${taken} bytes are under way`);
  connection.end();
  assert.equal((await buffer(connection)).length, total);
});

test("a port where nothing listens, and what is not a port, are told as such", async (t) => {
  const { connect: open } = await setting(t);
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  await assert.rejects(open(port), { code: "guest_refused" });
  for (const wrong of [0, 65_536, 1.5, -1]) await assert.rejects(open(wrong), { code: "invalid_argument" });
});

test("a service that resets the connection is an error to the reader, not an end", async (t) => {
  const { connect: open } = await setting(t);
  const port = await listening(t, (socket) => void socket.once("data", () => socket.resetAndDestroy()));
  const connection = await open(port);
  connection.write("x");
  await assert.rejects(text(connection), { code: "guest_refused" });
});

test("a client that goes away closes the connection in the guest", async (t) => {
  const { connect: open } = await setting(t);
  const gone = Promise.withResolvers<void>();
  const port = await listening(t, (socket) => {
    socket.resume();
    socket.once("close", () => gone.resolve());
    socket.once("end", () => socket.end());
  });
  const stop = new AbortController();
  const connection = await open(port, stop.signal);
  stop.abort();
  await gone.promise;
  assert.ok(connection.destroyed);
});

test("a client that breaks the rules is cut off; the next one is served", async (t) => {
  const { transport, connect: open } = await setting(t);
  const port = await listening(t, (socket) => void socket.pipe(socket));
  for (const wrong of ["", "not json", "{}", '{"type":"resize"}']) {
    const socket = await transport.webSocket(`/v1/vms/box/ports/${port}/connect`);
    socket.resume();
    socket.send(wrong);
    const [code] = await once(socket, "close");
    assert.equal(code, 1011, JSON.stringify(wrong));
  }
  const connection = await open(port);
  connection.end("echo");
  assert.equal(await text(connection), "echo");
});

test("many connections at once do not mix", async (t) => {
  const { connect: open } = await setting(t);
  const port = await listening(t, (socket) => void socket.pipe(socket));
  await Promise.all(
    Array.from({ length: 40 }, async (_, n) => {
      const sent = Buffer.alloc(100_000, n);
      const connection = await open(port);
      connection.end(sent);
      assert.ok((await buffer(connection)).equals(sent));
    }),
  );
});
