/** What a monitor inherits of a saved machine (guest/lend.h): what is in the files, never the files. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { startTime } from "../../src/host/processes.ts";
import { openMemoryFile } from "../../src/vmm/qemu/memory-file.ts";
import { agentBinary } from "../support/hosted-agent.ts";
import { temporaryFolder } from "../support/temporary.ts";

/** Of a hostile monitor: it writes to all that it has open, in every way that there is. */
const DAMAGE = `for fd in /proc/self/fd/*; do
    n=\${fd##*/}; [ "$n" -gt 2 ] || continue
    head -c 4096 /dev/zero >"$fd"; head -c 4096 /dev/zero >>"$fd"; head -c 4096 /dev/zero | dd of="$fd" conv=notrunc; : >"$fd"
  done 2>/dev/null; find /proc/self/fd -lname "$1*"`;

/** The files themselves, the memory already open, the memory part of the state. */
const WAYS = ["--lend", "--lend of an open file", "--lend-stream"] as const;

/** Saved files of a machine; `run` runs a command line that inherits what is in them. */
async function savedMachine(t: TestContext, way: (typeof WAYS)[number]) {
  const folder = temporaryFolder(t);
  const [state, memory] = [join(folder, "state"), join(folder, "memory")];
  const content = randomBytes(3_000_000);
  for (const file of [state, memory]) await writeFile(file, content, { mode: 0o600 });
  const run = (command: readonly string[], from = state) => {
    const opened = way === "--lend of an open file" ? openSync(memory, "r") : null;
    const size = String(content.length);
    const lend = ["--lend", from, opened === null ? memory : "6", size];
    const option = way === "--lend-stream" ? [way, from] : lend;
    const child = spawn(agentBinary(), [...option, ...command], {
      stdio: ["pipe", "pipe", "pipe", "ignore", "ignore", "pipe", opened ?? "ignore"],
    });
    if (opened !== null) closeSync(opened);
    const told = text((child.stdio as readonly unknown[])[5] as Readable);
    return {
      input: child.stdin as Writable,
      out: buffer(child.stdout as Readable),
      problem: text(child.stderr as Readable),
      told,
      ended: once(child, "exit"),
    };
  };
  return { folder, state, memory, content, run };
}

for (const way of WAYS) {
  test(`${way} passes a saved machine on whole`, async (t) => {
    const { run, content } = await savedMachine(t, way);
    const { out, told } = run(["cat", "/dev/fd/3"]);
    assert.ok((await out).equals(content));
    assert.equal(await told, "k");
    if (way === "--lend-stream") return;
    const later = run(["sh", "-c", "read line; cat /dev/fd/4"]);
    await later.told; // all is there
    later.input.end("\n");
    assert.ok((await later.out).equals(content));
  });

  test(`${way} passes on nothing that leads to the files: who writes to all that it has open damages none`, async (t) => {
    const { folder, state, memory, content, run } = await savedMachine(t, way);
    const { out, ended } = run(["sh", "-c", DAMAGE, "sh", folder]);
    assert.equal(String(await out), "", "nothing of the folder is open");
    await ended;
    for (const file of [state, memory]) assert.ok((await readFile(file)).equals(content), file);
  });

  test(`${way} follows no link, and runs nothing then`, async (t) => {
    const { folder, state, run } = await savedMachine(t, way);
    const link = join(folder, "link");
    await symlink(state, link);
    const { out, problem, ended } = run(["echo", "ran"], link);
    assert.match(await problem, /^open .*: Too many levels of symbolic links/);
    assert.equal(String(await out), "");
    assert.deepEqual(await ended, [1, null]);
  });
}

test("memory that was lent is found with who has it, also later; elsewhere there is none", async (t) => {
  const { state, memory, content } = await savedMachine(t, "--lend");
  const begin = async (command: readonly string[]) => {
    const [program = "", ...args] = command;
    const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit", "ignore", "ignore", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    await once(child.stdout as Readable, "data");
    const pid = child.pid ?? 0;
    return {
      driver: "qemu",
      directory: "",
      accelerator: "tcg",
      pid,
      pidStart: startTime(pid) ?? "",
    } as const;
  };
  const wait = ["sh", "-c", "echo up; read line"];
  const borrower = await begin([agentBinary(), "--lend", state, memory, String(content.length), ...wait]);
  const lent = await openMemoryFile(borrower);
  assert.equal((await lent?.stat())?.size, content.length);
  await lent?.close();
  assert.equal(await openMemoryFile(await begin(wait)), null);
  const other = await begin(["sh", "-c", `exec 4<${memory}; echo up; read line`]);
  assert.equal(await openMemoryFile(other), null, "a file of the host's is not taken for it");
  assert.equal(await openMemoryFile({ ...borrower, pidStart: "1" }), null, "nor another process for it");
});
