/** The agent's promises about files, archives, watches and connections, kept by the real agent towards the real host end. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import {
  connectPort,
  type GuestSession,
  listFiles,
  listListeners,
  listTree,
  makeDirectory,
  moveFile,
  openArchive,
  readFile,
  removeFile,
  statFile,
  stats,
  watchFiles,
  writeArchive,
  writeFile,
} from "../../src/guest/index.ts";
import { connectUnix } from "../../src/host/unix-socket.ts";
import { hostedAgent } from "../support/hosted-agent.ts";

/** A session and the folder in which it may do as it likes. */
async function guest(t: TestContext): Promise<{ guest: GuestSession; at: (name: string) => string }> {
  const agent = await hostedAgent(t);
  const folder = join(agent.folder, "files");
  mkdirSync(folder);
  return { guest: await agent.connect(), at: (name) => join(folder, name) };
}

test("what is written is on the disk, with its mode, and is read back, whole or in part", async (t) => {
  const { guest: agent, at } = await guest(t);
  const content = randomBytes(3_000_001);
  assert.equal(await writeFile(agent, at("f"), content, { mode: 0o640 }), content.length);
  assert.deepEqual(readFileSync(at("f")), content);
  assert.equal(statSync(at("f")).mode & 0o7777, 0o640);
  assert.deepEqual(await buffer(await readFile(agent, at("f"))), content);
  const part = await buffer(await readFile(agent, at("f"), { offset: 1000, limit: 70_000 }));
  assert.deepEqual(part, content.subarray(1000, 71_000));
});

test("an empty file is one, and parents are made on request only", async (t) => {
  const { guest: agent, at } = await guest(t);
  await assert.rejects(writeFile(agent, at("a/b/c"), Buffer.alloc(0)), { code: "guest_not_found" });
  await writeFile(agent, at("a/b/c"), Buffer.alloc(0), { makeParents: true });
  assert.equal(statSync(at("a/b/c")).size, 0);
});

test("a write that is cut off leaves the old file and nothing beside it", async (t) => {
  const { guest: agent, at } = await guest(t);
  await writeFile(agent, at("f"), Buffer.from("old"));
  const broken = Readable.from(
    (async function* () {
      yield Buffer.alloc(300_000);
      throw new Error("the source broke");
    })(),
  );
  await assert.rejects(writeFile(agent, at("f"), broken), /the source broke/);
  // The agent works in order: when it has answered this, it has dealt with the broken one.
  await writeFile(agent, at("g"), Buffer.from("new"));
  assert.equal(readFileSync(at("f"), "utf8"), "old");
  assert.deepEqual(readdirSync(at(".")).sort(), ["f", "g"]);
});

test("an exclusive write does not replace", async (t) => {
  const { guest: agent, at } = await guest(t);
  await writeFile(agent, at("f"), Buffer.from("first"), { exclusive: true });
  await assert.rejects(writeFile(agent, at("f"), Buffer.from("second"), { exclusive: true }), {
    code: "guest_refused",
    details: { status: "exists", errno: 17 },
  });
  assert.equal(readFileSync(at("f"), "utf8"), "first");
});

test("files are described exactly, symlinks not followed unless asked", async (t) => {
  const { guest: agent, at } = await guest(t);
  const name = Buffer.concat([Buffer.from(at("")), Buffer.from([0x66, 0xff, 0x0a])]);
  writeFileSync(name, "12345", { mode: 0o600 });
  symlinkSync("nowhere", at("dangling"));
  symlinkSync(".", at("here"));
  const entry = await statFile(agent, name);
  assert.partialDeepStrictEqual(entry, { type: "file", mode: 0o600, size: 5, target: null });
  assert.equal(entry.mtimeNs, lstatSync(name, { bigint: true }).mtimeNs);
  assert.partialDeepStrictEqual(await statFile(agent, at("dangling")), {
    type: "symlink",
    target: "nowhere",
  });
  assert.equal((await statFile(agent, at("here"), { follow: true })).type, "dir");
  await assert.rejects(statFile(agent, at("dangling"), { follow: true }), { code: "guest_not_found" });
  await assert.rejects(statFile(agent, at("none")), { code: "guest_not_found", message: /none/ });
});

test("a folder of ten thousand entries is listed whole, with names of any bytes", async (t) => {
  const { guest: agent, at } = await guest(t);
  const odd = ["new\nline", "-rf", " lead", "ü☃", "x".repeat(255)];
  for (const name of odd) writeFileSync(at(name), "");
  for (let i = 0; i < 10_000; i++) writeFileSync(at(`n${i}`), "");
  const names = new Set<string>();
  for await (const entry of listFiles(agent, at("."))) names.add(entry.name);
  assert.equal(names.size, 10_000 + odd.length);
  assert.ok(odd.every((name) => names.has(name)));
  await assert.rejects(
    async () => {
      for await (const _ of listFiles(agent, at("-rf"))); // a file
    },
    { code: "guest_refused" },
  );
});

test("folders are made, things moved and removed, and what could destroy is refused unless asked for", async (t) => {
  const { guest: agent, at } = await guest(t);
  await makeDirectory(agent, at("a/b"), { parents: true });
  await assert.rejects(makeDirectory(agent, at("a")), { code: "guest_refused" });
  writeFileSync(at("one"), "1");
  writeFileSync(at("two"), "2");
  await assert.rejects(moveFile(agent, at("one"), at("two")), { details: { status: "exists", errno: 17 } });
  assert.equal(readFileSync(at("two"), "utf8"), "2");
  await moveFile(agent, at("one"), at("two"), { replace: true });
  assert.equal(readFileSync(at("two"), "utf8"), "1");
  assert.ok(!existsSync(at("one")));
  await assert.rejects(removeFile(agent, at("a")), { code: "guest_refused" });
  await removeFile(agent, at("a"), { recursive: true });
  assert.ok(!existsSync(at("a")));
  await assert.rejects(removeFile(agent, at("a")), { code: "guest_not_found" });
  await removeFile(agent, at("a"), { missingOk: true });
});

test("removing a tree does not follow symlinks out of it", async (t) => {
  const { guest: agent, at } = await guest(t);
  mkdirSync(at("precious"));
  writeFileSync(at("precious/f"), "");
  mkdirSync(at("tree/deep"), { recursive: true });
  symlinkSync(at("precious"), at("tree/deep/link"));
  await removeFile(agent, at("tree"), { recursive: true });
  assert.ok(!existsSync(at("tree")));
  assert.deepEqual(readdirSync(at("precious")), ["f"]);
});

test("a tree goes out as an archive that tar unpacks, and comes in again the same", async (t) => {
  const { guest: agent, at } = await guest(t);
  mkdirSync(at("tree/sub"), { recursive: true });
  writeFileSync(at("tree/run"), "#!/bin/sh\n", { mode: 0o755 });
  writeFileSync(at(`tree/sub/${"long".repeat(60)}`), randomBytes(100_000));
  writeFileSync(at("tree/sub/new\nline"), "odd");
  symlinkSync("../run", at("tree/sub/link"));
  const { content, entry } = await openArchive(agent, at("tree"));
  assert.equal(entry.type, "dir");
  const archive = await buffer(content);

  mkdirSync(at("by-tar"));
  execFileSync("tar", ["-x", "-C", at("by-tar")], { input: archive });
  mkdirSync(at("by-agent"));
  const { entries } = await writeArchive(agent, at("by-agent"), archive);
  assert.ok(entries >= 6);
  for (const copy of ["by-tar", "by-agent"]) assert.equal(digestTree(at(copy)), digestTree(at("tree")), copy);
});

/** Names, modes, link targets and contents below a folder. */
function digestTree(folder: string): string {
  const hash = createHash("sha256");
  for (const path of (readdirSync(folder, { recursive: true }) as string[]).sort()) {
    const info = lstatSync(join(folder, path));
    hash.update(`${path}\0${info.mode}\0${Math.floor(info.mtimeMs / 1000)}\0`);
    if (info.isSymbolicLink()) hash.update(readlinkSync(join(folder, path)));
    else if (info.isFile()) hash.update(readFileSync(join(folder, path)));
  }
  return hash.digest("hex");
}

test("an archive that would leave its folder is refused, and nothing outside is touched", async (t) => {
  const { guest: agent, at } = await guest(t);
  mkdirSync(at("in"));
  writeFileSync(at("f"), "owned");
  for (const name of ["../escaped", "a/../../escaped", at("escaped")]) {
    const archive = execFileSync("tar", ["-c", "-P", "-C", at("."), `--transform=s,^f$,${name},`, "f"]);
    assert.ok(archive.includes(name));
    await assert.rejects(writeArchive(agent, at("in"), archive), { code: "guest_refused" }, name);
    assert.deepEqual(readdirSync(at(".")).sort(), ["f", "in"], name);
  }
  // A symlink in the archive, then a file through it.
  mkdirSync(at("src/d"), { recursive: true });
  writeFileSync(at("src/d/f"), "owned");
  mkdirSync(at("outside"));
  execFileSync("tar", ["-cf", at("evil.tar"), "-C", at("src"), "d/f"]);
  symlinkSync(at("outside"), at("in/d"));
  await assert.rejects(writeArchive(agent, at("in"), readFileSync(at("evil.tar"))));
  assert.deepEqual(readdirSync(at("outside")), []);
});

test("an archive that is none, or cut short, is refused with a reason and the session goes on", async (t) => {
  const { guest: agent, at } = await guest(t);
  mkdirSync(at("in"));
  for (const bytes of [randomBytes(4096), Buffer.from("hello")])
    await assert.rejects(writeArchive(agent, at("in"), bytes), { code: "guest_refused" });
  await writeFile(agent, at("in/f"), Buffer.from("still here"));
});

for (const size of [50_000, 5_000_000])
  test(`an archive that breaks off in a file of ${size} bytes leaves what it would have replaced, and nothing else`, async (t) => {
    const hosted = await hostedAgent(t);
    const [source, target] = [join(hosted.folder, "source"), join(hosted.folder, "target")];
    for (const folder of [source, target]) mkdirSync(folder);
    writeFileSync(join(source, "f"), randomBytes(size));
    writeFileSync(join(target, "f"), "old");
    const archive = execFileSync("tar", ["-c", "-C", source, "f"], { maxBuffer: 2 * size });
    for (const end of ["its source", "the session"]) {
      const agent = await hosted.connect();
      const broken = Readable.from(
        (async function* () {
          yield archive.subarray(0, size / 2);
          yield archive.subarray(size / 2, size / 2 + 1000); // asked for when the first half is sent
          await statFile(agent, target); // the agent works in order: it has the half
          if (end === "the session") agent.close();
          throw new Error("the source broke");
        })(),
        { objectMode: false, highWaterMark: 1 },
      );
      await assert.rejects(writeArchive(agent, target, broken), end);
      // One worker makes members, in order: when it has unpacked this, it is through with the other.
      mkdirSync(join(hosted.folder, end));
      await writeArchive(await hosted.connect(), join(hosted.folder, end), archive);
      assert.equal(readFileSync(join(target, "f"), "utf8"), "old", end);
      assert.deepEqual(readdirSync(target), ["f"], end);
    }
    await writeArchive(await hosted.connect(), target, archive);
    assert.equal(statSync(join(target, "f")).size, size);
  });

test("changes are told as they happen, in order, until the watch is left", async (t) => {
  const { guest: agent, at } = await guest(t);
  mkdirSync(at("w/sub"), { recursive: true });
  const watch = watchFiles(agent, at("w"), { recursive: true });
  await watch.ready;
  writeFileSync(at("w/sub/f"), "x");
  renameSync(at("w/sub/f"), at("w/g"));
  rmSync(at("w/g"));
  const seen: string[] = [];
  for await (const change of watch) {
    seen.push(`${change.kind} ${change.path}`);
    if (change.kind === "delete") break;
  }
  assert.deepEqual(
    seen.filter((line) => !line.startsWith("modify") && !line.startsWith("attrib")),
    ["create sub/f", "move_from sub/f", "move_to g", "delete g"],
  );
  await assert.rejects(watchFiles(agent, at("none")).ready, { code: "guest_not_found" });
});

test("what listens is listed, and can be connected to, both ways and half closed", async (t) => {
  const { guest: agent } = await guest(t);
  const server = createServer(
    { allowHalfOpen: true },
    (socket) => void buffer(socket).then((all) => socket.end(all)),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  assert.ok((await listListeners(agent)).some((listener) => listener.port === port));
  const connection = await connectPort(agent, port);
  const content = randomBytes(2_000_000);
  connection.end(content);
  assert.deepEqual(await buffer(connection), content);
  server.close();
  await once(server, "close");
  await assert.rejects(connectPort(agent, port), {
    code: "guest_refused",
    details: { status: "refused", errno: 111 },
  });
});

test("figures are told", async (t) => {
  const { guest: agent } = await guest(t);
  const figures = await stats(agent);
  assert.ok(Object.values(figures).length > 5);
  assert.ok(Object.values(figures).every((value) => typeof value !== "number" || value >= 0));
});

test("a host that sends garbage loses its connection; the next one is served", async (t) => {
  const agent = await hostedAgent(t);
  const socket = join(agent.folder, "agent.sock");
  for (const garbage of [Buffer.alloc(100_000, 0xff), randomBytes(100_000), Buffer.alloc(100_000)]) {
    const wire = await connectUnix(socket);
    wire.on("error", () => {}); // followed by close
    wire.end(garbage);
    wire.resume();
    await once(wire, "close");
    const session = await agent.connect();
    assert.equal((await statFile(session, agent.folder)).type, "dir");
    session.close();
  }
});

test("a tree is listed as a whole: a folder before what is in it, links not followed, one folder skipped", async (t) => {
  const { guest: agent, at } = await guest(t);
  for (const folder of ["t/a/b", "t/.git/objects", "t/sub/.git"]) mkdirSync(at(folder), { recursive: true });
  const names = ["t/a/b/f", "t/a/new\nline", "t/.git/config", "t/sub/.git/config"];
  for (const name of names) writeFileSync(at(name), name);
  symlinkSync("/etc", at("t/etc"));
  const listed: string[] = [];
  for await (const entry of listTree(agent, at("t"), { skip: ".git" })) {
    assert.ok(entry.ctimeNs > 0n);
    const parent = entry.name.slice(0, Math.max(0, entry.name.lastIndexOf("/")));
    assert.ok(parent === "" || listed.includes(parent), `${entry.name} comes before its folder`);
    listed.push(entry.name);
  }
  assert.deepEqual(listed.sort(), [
    ".git",
    "a",
    "a/b",
    "a/b/f",
    "a/new\nline",
    "etc",
    "sub",
    "sub/.git",
    "sub/.git/config",
  ]);
  await assert.rejects(
    async () => {
      for await (const _ of listTree(agent, at("no"))) assert.fail();
    },
    { code: "guest_not_found" },
  );
});

test("a deep and wide tree is listed whole", async (t) => {
  const { guest: agent, at } = await guest(t);
  let folder = at("deep");
  for (let depth = 0; depth < 60; depth++) {
    folder = join(folder, `level${depth}`);
    mkdirSync(folder, { recursive: true });
    for (const name of ["x", "y", "z"]) writeFileSync(join(folder, name), name);
  }
  let count = 0;
  for await (const _ of listTree(agent, at("deep"))) count++;
  assert.equal(count, 60 * 4);
});
