/** Copies out of a guest whose agent lies: through the daemon's routes and the client, to this host's disk. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { END } from "../../../src/archive/writer.ts";
import { fileHandlers } from "../../../src/daemon/file-handlers.ts";
import { buildServer, type Handlers } from "../../../src/daemon/server.ts";
import { encodeFields } from "../../../src/guest/fields.ts";
import { FRAME, MAX_DATA } from "../../../src/guest/frames.ts";
import { EVENTS, OPERATIONS } from "../../../src/guest/operations.ts";
import { copyOut } from "../../../src/sdk/copy.ts";
import { Files } from "../../../src/sdk/files.ts";
import { Transport } from "../../../src/sdk/transport.ts";
import { archive, member } from "../../support/archive.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { type ScriptedAgent, scripted } from "../guest/scripted-agent.ts";

const ENTRY = encodeFields(OPERATIONS.file_stat.response, {
  entry: {
    name: Buffer.from("x"),
    type: "dir",
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeNs: 0n,
    target: undefined,
    ctimeNs: 0n,
    nlink: 1,
    ino: 1n,
    dev: 1n,
  },
});

/** A daemon with that guest, a client of it, and a folder to copy into. */
async function setUp(t: TestContext) {
  const folder = temporaryFolder(t);
  const { session, agent } = await scripted();
  const server = await buildServer(fileHandlers({ guest: async () => session }) as Handlers);
  const socket = join(folder, "socket");
  await server.listen({ path: socket });
  const transport = new Transport(async () => connect(socket));
  t.after(async () => {
    transport.close();
    session.close();
    await server.close();
  });
  const target = temporaryFolder(t);
  return { agent, target, files: new Files(transport, "/v1/vms/vm") };
}

/** Answers the question what is there, and the request for its archive. */
async function begin(agent: ScriptedAgent): Promise<number> {
  for (const _ of ["stat", "archive"]) {
    const { stream, payload } = await agent.next(FRAME.request);
    agent.respond(stream, ENTRY);
    if (payload.readUInt16LE(0) === OPERATIONS.tar_out.op) return stream;
    agent.end(stream);
  }
  throw new Error("no archive was asked for");
}

/** Sends as much as the host allows, until it wants no more. */
async function pour(agent: ScriptedAgent, stream: number, next: () => Buffer): Promise<void> {
  let allowed = 0;
  for (;;) {
    const { type, payload } = await agent.next(FRAME.credit, FRAME.cancel);
    if (type === FRAME.cancel) return agent.end(stream);
    allowed += payload.readUInt32LE(0);
    for (; allowed >= MAX_DATA; allowed -= MAX_DATA) agent.data(stream, 1, next());
  }
}

/** Sends all of it and says that it was all. */
function sendAll(agent: ScriptedAgent, stream: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; at += MAX_DATA)
    agent.data(stream, 1, bytes.subarray(at, at + MAX_DATA));
  agent.send(FRAME.eof, stream, 1);
  agent.event(stream, "done", encodeFields(EVENTS.done.fields, { bytes: bytes.length, entries: 1 }));
  agent.end(stream);
}

for (const [what, bytes, message] of [
  [
    "names above the target",
    archive({ name: "x/", type: "directory" }, { name: "x/../../evil" }),
    /contains '\.\.'/,
  ],
  [
    "names beside what was asked for",
    archive({ name: ".bashrc", content: "evil" }),
    /'\.bashrc' was not asked for/,
  ],
  ["absolute names", archive({ name: "/tmp/evil" }), /is an absolute name/],
  ["no archive", Buffer.alloc(5000, "garbage"), /checksum/],
  [
    "an archive without its end",
    archive({ name: "x/", type: "directory" }).subarray(0, -END.length),
    /too early/,
  ],
] as const)
  test(`a guest that sends ${what} is refused, and nothing of it is left`, async (t) => {
    const { agent, files, target } = await setUp(t);
    const copied = copyOut(files, "/x", target);
    sendAll(agent, await begin(agent), bytes);
    await assert.rejects(copied, { code: "copy_failed", message });
    assert.deepEqual(
      readdirSync(join(target, "..")).filter((name) => name.startsWith("evil")),
      [],
    );
    assert.deepEqual(
      readdirSync(target).filter((name) => name !== "x"),
      [],
    );
  });

test("a guest that breaks off is told with its reason and with what had been copied", async (t) => {
  const { agent, files, target } = await setUp(t);
  const copied = copyOut(files, "/x", target);
  const stream = await begin(agent);
  const whole = archive({ name: "x/", type: "directory" }, { name: "x/a", content: "a" });
  agent.data(stream, 1, whole.subarray(0, -END.length));
  agent.event(
    stream,
    "failed",
    encodeFields(EVENTS.failed.fields, { status: 11, errno: 5, message: "b: cannot be read" }),
  );
  agent.end(stream);
  await assert.rejects(copied, (error: Error & { hint?: string }) => {
    assert.match(error.message, /b: cannot be read/);
    assert.match(error.hint ?? "", /2 entries of it had been copied/);
    return true;
  });
  assert.deepEqual(readdirSync(join(target, "x")), ["a"]);
});

for (const [what, bytes] of [
  ["members without end", member({ name: "x/", type: "directory" })],
  ["headers of a member that never comes", member({ name: "x".repeat(200) }).subarray(0, 1024)],
] as const)
  test(`a guest that sends ${what} takes no memory, and Ctrl-C ends it`, async (t) => {
    const { agent, files, target } = await setUp(t);
    const stop = new AbortController();
    let seen = 0;
    const copied = copyOut(files, "/x", target, {
      signal: stop.signal,
      onProgress: ({ bytes: done }) => {
        seen = done;
        if (done > 15_000_000) stop.abort(new Error("stopped"));
      },
    });
    const stream = await begin(agent);
    const piece = Buffer.concat(Array.from({ length: MAX_DATA / bytes.length }, () => bytes));
    const before = process.memoryUsage().rss;
    await Promise.all([assert.rejects(copied, /stopped/), pour(agent, stream, () => piece)]);
    assert.ok(seen > 15_000_000);
    const grown = (process.memoryUsage().rss - before) / 1e6;
    assert.ok(grown < 150, `${grown.toFixed(0)} MB more`);
  });
