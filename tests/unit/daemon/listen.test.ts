import assert from "node:assert/strict";
import { spawn } from "node:child_process";
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

/** Does what makes a listening socket in two steps, each when a line comes: between them a connection is refused. */
const TWO_STEPS = `
  use Socket;
  socket(my $s, PF_UNIX, SOCK_STREAM, 0); bind($s, sockaddr_un($ARGV[0])); syswrite STDOUT, "bound\n";
  <STDIN>; listen($s, 5); <STDIN>;`;

test("a socket that is there but not listened on yet is waited for", async (t) => {
  const path = join(temporaryFolder(t), "banger.sock");
  const other = spawn("perl", ["-e", TWO_STEPS, path], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => other.stdin.end("\n"));
  await once(other.stdout, "data");
  const waiting = untilListening(path, 30_000);
  await assert.rejects(connectUnix(path), { code: "ECONNREFUSED" });
  other.stdin.write("\n");
  await waiting;
});
