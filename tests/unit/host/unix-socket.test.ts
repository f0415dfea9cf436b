import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rename, rm, symlink } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { connectForeign, connectUnix } from "../../../src/host/unix-socket.ts";

describe("a connection to a unix socket", () => {
  test("that breaks while nobody listens for its errors closes, and ends nothing else", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "banger-test-"));
    t.after(() => rm(folder, { recursive: true }));
    const path = join(folder, "socket");
    const server = createServer({ pauseOnConnect: true }).listen(path);
    t.after(() => server.close());
    await once(server, "listening");
    const accepted = once(server, "connection") as Promise<[Socket]>;
    const socket = await connectUnix(path);
    const [peer] = await accepted;
    await new Promise((resolve) => socket.write("what the peer never reads", resolve));
    const closed = new Promise((resolve) => socket.once("close", resolve)); // once() of node:events would listen for errors
    socket.resume();
    peer.destroy(); // with unread data: the kernel resets the connection
    await closed;
    assert.equal((socket.errored as NodeJS.ErrnoException | null)?.code, "ECONNRESET");
  });

  test("in a folder of somebody else's reaches what is there, at any length of path, and follows no link elsewhere", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), `banger-test-${"x".repeat(100)}-`));
    t.after(() => rm(folder, { recursive: true }));
    const short = await mkdtemp(join(tmpdir(), "banger-test-"));
    t.after(() => rm(short, { recursive: true }));
    const server = createServer((socket) => socket.end()).listen(join(short, "made"));
    t.after(() => server.close());
    await once(server, "listening");
    await symlink(join(short, "made"), join(folder, "link"));
    await assert.rejects(connectForeign(join(folder, "link")), { code: "ECONNREFUSED", syscall: "connect" });
    await assert.rejects(connectForeign(join(folder, "none")), { code: "ENOENT", syscall: "connect" });
    await rename(join(short, "made"), join(folder, "real"));
    (await connectForeign(join(folder, "real"))).destroy();
  });
});
