/** Ports of this host that lead into a VM without a network: published ones and forwards. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { before, describe, test } from "node:test";
import type { Sandbox } from "../../src/sdk/index.ts";
import { startEchoServer } from "../support/echo-server.ts";
import { makeHome } from "../support/home.ts";

const GUEST_PORT = 7000;
const MIB = 1024 * 1024;

/** Sends a text, ends sending, and returns what came back. */
async function exchange(port: number, text: string, host = "127.0.0.1"): Promise<string> {
  const socket = connect({ port, host, allowHalfOpen: true });
  socket.end(text);
  return (await buffer(socket)).toString();
}

describe("a VM's ports", async () => {
  const home = await makeHome();
  let vm: Sandbox;
  let port: number;
  before(async () => {
    const publish = [{ guestPort: GUEST_PORT }, { guestPort: 81 }];
    vm = (await (await home.connect()).create({ name: "server", memoryMib: 512, publish })).keep();
    port = vm.info.publish[0]?.host_port ?? 0;
    await startEchoServer(vm, GUEST_PORT);
  });

  test("a published port is there on both loopback addresses, and the VM has no network for it", async () => {
    assert.equal(await exchange(port, "four", "127.0.0.1"), "four");
    assert.equal(await exchange(port, "six", "::1"), "six");
    const { text } = await vm.exec(["sh", "-c", "ip -4 -o addr | cut -d' ' -f2"]);
    assert.equal(text, "lo\n");
  });

  test("100 MB come back byte for byte, and neither daemon nor guest keeps them in memory", async () => {
    const banger = await home.connect();
    const memoryBefore = (await banger.status()).rss_bytes;
    const [sent, received] = [createHash("sha256"), createHash("sha256")];
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const source = Readable.from(
      (function* () {
        for (let i = 0; i < 100; i++) {
          const piece = randomBytes(MIB);
          sent.update(piece);
          yield piece;
        }
      })(),
    );
    const sending = pipeline(source, socket);
    for await (const chunk of socket) received.update(chunk as Buffer);
    await sending;
    assert.equal(received.digest("hex"), sent.digest("hex"));
    const grown = (await banger.status()).rss_bytes - memoryBefore;
    assert.ok(grown < 50 * MIB, `the daemon grew by ${grown} bytes`);
  });

  test("many connections at once keep apart", async () => {
    const texts = Array.from({ length: 40 }, (_, i) => `connection ${i} `.repeat(1000));
    assert.deepEqual(await Promise.all(texts.map((text) => exchange(port, text))), texts);
  });

  test("a port where nobody listens in the guest resets the connection, and the daemon goes on", async () => {
    const idle = vm.info.publish[1]?.host_port ?? 0;
    const [error] = await once(connect(idle, "127.0.0.1"), "error");
    assert.equal(error.code, "ECONNRESET");
  });

  test("ports are told: what listens with its process, and what leads there", async () => {
    const { listening, published } = await vm.ports();
    const echo = listening.find((listener) => listener.port === GUEST_PORT);
    assert.deepEqual([echo?.protocol, echo?.address, echo?.process], ["tcp", "127.0.0.1", "perl"]);
    assert.deepEqual(published[0], { address: null, host_port: port, guest_port: GUEST_PORT, problem: null });
    const { stdout } = await home.run(["vm", "ports", "server"]);
    assert.match(
      stdout,
      new RegExp(`^tcp +127.0.0.1:${GUEST_PORT} +perl \\(\\d+\\) +${port}->${GUEST_PORT}$`, "m"),
    );
    assert.match((await home.run(["vm", "list"])).stdout, new RegExp(`${port}->${GUEST_PORT}`));
  });

  test("a forward leads there while it is open, one connection too; what fails is told", async () => {
    const failures: string[] = [];
    const onError = (error: Error) => void failures.push(error.message);
    const forward = await vm.forward({ guestPort: GUEST_PORT, onError });
    assert.equal(await exchange(forward.mapping.hostPort, "forwarded", "::1"), "forwarded");
    forward.close();
    const [refused] = await once(connect(forward.mapping.hostPort, "127.0.0.1"), "error");
    assert.equal(refused.code, "ECONNREFUSED");
    const direct = await vm.connect(GUEST_PORT);
    direct.end("direct");
    assert.equal((await buffer(direct)).toString(), "direct");
    await assert.rejects(vm.connect(82), { code: "guest_refused" });
    await using idle = await vm.forward({ guestPort: 82, onError });
    await once(connect(idle.mapping.hostPort, "127.0.0.1"), "error");
    assert.match(failures.join(), /port 82/);
  });

  test("a port that is taken is refused before a VM is made, with who has it; so is a forward", async () => {
    const other = await home.run(["vm", "create", "--name", "late", "-p", `${port}:80`]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /VM 'server' publishes it/);
    const stranger = await occupy(0);
    const taken = (stranger.address() as { port: number }).port;
    const refused = await home.run(["vm", "run", "--rm", "-p", `${taken}:80`, "--", "true"]);
    assert.equal(refused.code, 125);
    assert.match(refused.stderr, /it is in use[\s\S]*ss -ltnp/);
    const forward = await home.run(["vm", "forward", "server", `${taken}:80`]);
    assert.deepEqual([forward.code, forward.stdout], [1, ""]);
    stranger.close();
    assert.deepEqual(
      (await (await home.connect()).list()).map(({ name }) => name),
      ["server"],
    );
  });

  test("a daemon that is killed and started again listens again on the same ports", async () => {
    await home.killDaemon();
    const [error] = await once(connect(port, "127.0.0.1"), "error");
    assert.equal(error.code, "ECONNREFUSED");
    vm = await (await home.connect()).get("server");
    assert.equal(await exchange(port, "still here"), "still here");
  });

  test("a stopped VM gives its ports back; started again it has the same ones, or says who took them", async () => {
    await vm.stop();
    const stranger = await occupy(port);
    await assert.rejects(vm.start(), { code: "port_unavailable", hint: /ss -ltnp/ });
    assert.deepEqual([(await vm.refresh()).state, (await vm.refresh()).reason], ["stopped", null]);
    stranger.close();
    await vm.start();
    assert.equal(vm.info.publish[0]?.host_port, port);
    await startEchoServer(vm, GUEST_PORT);
    assert.equal(await exchange(port, "again"), "again");
    await vm.delete();
    const [error] = await once(connect(port, "127.0.0.1"), "error");
    assert.equal(error.code, "ECONNREFUSED");
  });
});

async function occupy(port: number): Promise<Server> {
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  return server;
}
