import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { listenOn, untilListening } from "../../../src/daemon/listen.ts";
import { connectUnix } from "../../../src/host/unix-socket.ts";
import { temporaryFolder } from "../../support/temporary.ts";

function server(t: TestContext): Server {
  const made = createServer();
  t.after(() => made.close());
  return made;
}

async function connects(path: string): Promise<boolean> {
  const socket = await connectUnix(path).catch(() => null);
  socket?.destroy();
  return socket !== null;
}

test("the socket is for its owner only", async (t) => {
  const path = join(temporaryFolder(t), "banger.sock");
  await listenOn(server(t), path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.ok(await connects(path));
});

test("a socket that a killed daemon left is replaced", async (t) => {
  const path = join(temporaryFolder(t), "banger.sock");
  writeFileSync(path, "");
  await listenOn(server(t), path);
  assert.ok(await connects(path));
});

test("a path too long for a socket address works for both ends", async (t) => {
  const folder = join(temporaryFolder(t), "d".repeat(120));
  mkdirSync(folder);
  const path = join(folder, "banger.sock");
  await listenOn(server(t), path);
  assert.ok(await connects(path));
});

test("connecting where nobody listens tells the system's reason", async (t) => {
  const folder = join(temporaryFolder(t), "d".repeat(120));
  await assert.rejects(connectUnix(join(folder, "s")), { code: "ENOENT" });
  mkdirSync(folder);
  await assert.rejects(connectUnix(join(folder, "s")), { code: "ENOENT" });
});

/** Open watches; a closed one goes with the next turns of the loop. */
async function watchers(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
  return process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap").length;
}

test("a daemon that lost the race waits until the other one listens, and then holds nothing", async (t) => {
  const path = join(temporaryFolder(t), "banger.sock");
  const waiting = untilListening(path, 30_000);
  await listenOn(server(t), path);
  await waiting;
  await untilListening(path, 30_000); // also when it listens already, and nothing changes any more
  assert.equal(await watchers(), 0, "a watcher left over would keep the process alive");
});

test("the wait has a limit", async (t) => {
  await assert.rejects(untilListening(join(temporaryFolder(t), "banger.sock"), 1), /did not become ready/);
});

test("closing the server ends it", async (t) => {
  const path = join(temporaryFolder(t), "banger.sock");
  const made = server(t);
  await listenOn(made, path);
  made.close();
  await once(made, "close");
  assert.equal(await connects(path), false);
});
