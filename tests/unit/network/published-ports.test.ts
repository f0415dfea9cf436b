/** Published ports without a VM: real sockets of this host on one side, a stream of the test's on the other. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { PortMapping } from "../../../src/core/port-mapping.ts";
import { PublishedPorts } from "../../../src/network/published-ports.ts";
import { socketPair } from "../../support/socket-pair.ts";

const FREE: PortMapping = { address: null, hostPort: 0, guestPort: 80 };

function publishing(t: TestContext, guest: (id: string, port: number) => Promise<Duplex>): PublishedPorts {
  const ports = new PublishedPorts({ connect: guest, nameOf: (id) => `name-of-${id}`, warn: () => {} });
  t.after(() => {
    for (const id of ["a", "b"]) ports.close(id);
  });
  return ports;
}

const nobody = () => Promise.reject(new Error("nobody listens"));

async function open(ports: PublishedPorts, id: string, mapping = FREE): Promise<number> {
  const [opened] = await ports.open(id, [mapping]);
  assert.ok(opened && opened.hostPort > 0);
  return opened.hostPort;
}

function dial(port: number, host = "127.0.0.1"): Socket {
  return connect({ port, host, allowHalfOpen: true });
}

test("both loopback addresses lead to the guest's port, with half close both ways", async (t) => {
  const asked: [string, number][] = [];
  const ports = publishing(t, async (id, port) => {
    asked.push([id, port]);
    const { near, far } = await socketPair(t, { allowHalfOpen: true });
    // The guest answers after the whole request has come, and only then ends.
    void buffer(far).then((request) => far.end(`got ${request.length}`));
    return near;
  });
  const port = await open(ports, "a");
  for (const host of ["127.0.0.1", "::1"]) {
    const client = dial(port, host);
    client.end(Buffer.alloc(3_000_000));
    assert.equal((await buffer(client)).toString(), "got 3000000");
  }
  assert.deepEqual(asked, [
    ["a", 80],
    ["a", 80],
  ]);
});

test("a guest where nobody listens resets the connection", async (t) => {
  const port = await open(publishing(t, nobody), "a");
  const [error] = await once(dial(port), "error");
  assert.equal(error.code, "ECONNRESET");
});

test("a guest that breaks off in the middle resets the connection: what came is not taken for complete", async (t) => {
  const ports = publishing(t, async () => {
    const { near, far } = await socketPair(t);
    far.write("half of it", () => near.destroy(new Error("the guest is gone")));
    return near;
  });
  const client = dial(await open(ports, "a"));
  const [error] = await once(client.resume(), "error");
  assert.equal(error.code, "ECONNRESET");
});

test("closing ends what is open and gives the port back", async (t) => {
  const ports = publishing(t, async () => (await socketPair(t)).near);
  const port = await open(ports, "a");
  const client = dial(port).on("error", () => {});
  await once(client, "connect");
  const gone = new Promise((resolve) => client.once("close", resolve));
  ports.close("a");
  await gone;
  assert.equal(await open(ports, "b", { ...FREE, hostPort: port }), port);
});

test("a port of another VM is refused with its name, and one of a stranger with how to find out; nothing stays open", async (t) => {
  const ports = publishing(t, nobody);
  const taken = await open(ports, "a");
  const free = await open(ports, "b");
  ports.close("b");
  const mappings = [
    { ...FREE, hostPort: free },
    { ...FREE, hostPort: taken },
  ];
  await assert.rejects(ports.open("b", mappings), { code: "port_unavailable", message: /name-of-a/ });
  const stranger = createServer().listen(free, "::1"); // would fail if the first mapping had stayed open
  await once(stranger, "listening");
  t.after(() => stranger.close());
  await assert.rejects(ports.open("b", [{ ...FREE, hostPort: free }]), {
    code: "port_unavailable",
    hint: new RegExp(`ss .*${free}`),
  });
});

test("what cannot be restored is told, the rest is there", async (t) => {
  const ports = publishing(t, nobody);
  const taken = await open(ports, "a");
  const lost = { ...FREE, hostPort: taken };
  const kept = { ...FREE, hostPort: await open(ports, "b"), guestPort: 81 };
  ports.close("b");
  await ports.restore("b", [lost, kept]);
  assert.deepEqual(
    ports.describe("b", [lost, kept]).map(({ problem }) => problem && /publishes it/.test(problem)),
    [true, null],
  );
  const [error] = await once(dial(kept.hostPort), "error");
  assert.equal(error.code, "ECONNRESET"); // by the guest, so somebody listened here
});

test("at most 512 connections are carried at a time; one more is reset, and may come again when one has ended", async (t) => {
  const waiting: Duplex[] = [];
  const ports = publishing(t, async () => {
    const guest = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    waiting.push(guest);
    return guest;
  });
  const port = await open(ports, "a");
  const clients: Socket[] = [];
  for (let i = 0; i < 512; i++) {
    const client = dial(port).on("error", () => {});
    await once(client, "connect");
    clients.push(client);
  }
  const [error] = await once(dial(port), "error");
  assert.equal(error.code, "ECONNRESET");
  const ended = once(clients[0] as Socket, "close");
  clients[0]?.resume().end();
  waiting[0]?.push(null);
  await ended;
  const again = dial(port).on("error", () => {});
  await once(again, "connect");
  clients.push(again);
  assert.equal(waiting.length, 513);
});

test("a slow reader slows the guest down: little is under way, however much there is", async (t) => {
  const total = 64 * 1024 * 1024;
  const piece = Buffer.alloc(65_536);
  let [sent, received, most] = [0, 0, 0];
  const ports = publishing(
    t,
    async () =>
      new Duplex({
        read() {
          this.push(sent === total ? null : piece);
          sent = Math.min(total, sent + piece.length);
          most = Math.max(most, sent - received);
        },
        write: (_chunk, _encoding, done) => done(),
      }),
  );
  const client = dial(await open(ports, "a"));
  for await (const chunk of client) {
    received += (chunk as Buffer).length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(received, total);
  assert.ok(most < 24 * 1024 * 1024, `${most} bytes were under way`);
});
