/** The agent's promises about processes, kept by the real agent towards the real host end. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFile } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import {
  attachProcess,
  type GuestProcess,
  type GuestSession,
  listProcesses,
  type ProcessSpec,
  resizeProcess,
  signalProcess,
  startProcess,
} from "../../src/guest/index.ts";
import { KEPT_OUTPUT } from "../../src/guest/operations.ts";
import { hostedAgent } from "../support/hosted-agent.ts";

const { SIGHUP, SIGKILL, SIGTERM } = constants.signals;

async function session(t: TestContext): Promise<GuestSession> {
  return (await hostedAgent(t)).connect();
}

const shell = (script: string, rest: Partial<ProcessSpec> = {}): ProcessSpec => ({
  argv: ["sh", "-c", script],
  ...rest,
});

/** Reads a process to its end. */
async function finish(process: GuestProcess) {
  const [stdout, stderr, exit] = await Promise.all([
    buffer(process.stdout),
    buffer(process.stderr),
    process.exited,
  ]);
  return { stdout: stdout.toString(), stderr: stderr.toString(), code: exit.code, signal: exit.signal, exit };
}

/** What the process says first, waited for without polling; the rest stays to be read. */
async function firstWords(process: GuestProcess): Promise<string> {
  for (;;) {
    const chunk: unknown = process.stdout.read();
    if (chunk !== null) return String(chunk);
    await once(process.stdout, "readable");
  }
}

test("output, both streams apart, and the exit code come back", async (t) => {
  const result = await finish(await startProcess(await session(t), shell("echo out; echo err >&2; exit 7")));
  assert.partialDeepStrictEqual(result, { stdout: "out\n", stderr: "err\n", code: 7, signal: null });
});

test("arguments, environment and directory arrive byte for byte", async (t) => {
  const agent = await hostedAgent(t);
  const guest = await agent.connect();
  const odd = Buffer.from([0x66, 0xff, 0xfe, 0x20, 0x0a, 0x22]);
  const process = await startProcess(guest, {
    argv: ["sh", "-c", 'printf "%s|%s|%s" "$1" "$VALUE" "$PWD"', "sh", odd],
    env: { VALUE: "a=b $c ☃" },
    cwd: agent.folder,
  });
  const stdout = await buffer(process.stdout);
  assert.deepEqual(stdout, Buffer.concat([odd, Buffer.from(`|a=b $c ☃|${agent.folder}`)]));
});

test("a program that is not there, or cannot be executed, or a folder or user that is not there, is told apart", async (t) => {
  const agent = await hostedAgent(t);
  const guest = await agent.connect();
  await assert.rejects(startProcess(guest, { argv: ["no-such-program"] }), {
    code: "command_not_found",
    exit: 127,
  });
  await assert.rejects(startProcess(guest, { argv: [agent.folder] }), {
    code: "command_not_executable",
    exit: 126,
  });
  await assert.rejects(startProcess(guest, shell("true", { cwd: "/no/such/folder" })), {
    code: "guest_not_found",
  });
  await assert.rejects(startProcess(guest, shell("true", { user: "no-such-user" })), {
    code: "guest_not_found",
  });
  assert.equal((await finish(await startProcess(guest, { argv: ["true"] }))).code, 0);
});

test("a user may be a number, which no passwd file needs to know, and a group beside it", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("becoming another user needs root");
  const guest = await session(t);
  const ids = async (user: string) =>
    (await finish(await startProcess(guest, shell("id -u; id -g; id -G", { user })))).stdout.split(/\s/, 3);
  assert.deepEqual(await ids("54321:8765"), ["54321", "8765", "8765"]);
  assert.deepEqual(await ids("54321"), ["54321", "0", "0"]);
  assert.deepEqual(await ids("0"), ["0", "0", "0"]);
  assert.deepEqual(await ids("root:54321"), ["0", "54321", "54321"]);
});

test("stdin is read until its end; without stdin it is empty", async (t) => {
  const guest = await session(t);
  const cat = await startProcess(guest, { argv: ["cat"], stdin: true });
  cat.stdin.write("one ");
  cat.stdin.end("two");
  assert.partialDeepStrictEqual(await finish(cat), { stdout: "one two", code: 0 });
  assert.equal((await finish(await startProcess(guest, { argv: ["cat"] }))).stdout, "");
});

test("a process is in the list while it runs and after it ended, with what is known of it", async (t) => {
  const guest = await session(t);
  const process = await startProcess(guest, { argv: ["cat"], stdin: true, label: "the cat" });
  const [running] = (await listProcesses(guest)).filter((row) => row.proc === process.proc);
  assert.partialDeepStrictEqual(running, {
    pid: process.pid,
    argv: ["cat"],
    running: true,
    attached: true,
    pty: false,
    label: "the cat",
    code: null,
  });
  process.stdin.end();
  await finish(process);
  const [ended] = (await listProcesses(guest)).filter((row) => row.proc === process.proc);
  assert.partialDeepStrictEqual(ended, { running: false, attached: false, code: 0, signal: null });
});

test("a signal ends the whole process group, and is how it ended", async (t) => {
  const guest = await session(t);
  const process = await startProcess(guest, shell("sleep 1000 & echo ready; wait"));
  assert.equal(await firstWords(process), "ready\n");
  await signalProcess(guest, process.proc, SIGKILL);
  assert.deepEqual(await process.exited.then(({ code, signal }) => ({ code, signal })), {
    code: null,
    signal: SIGKILL,
  });
  await assert.rejects(signalProcess(guest, 999_999, SIGTERM), { code: "guest_not_found" });
});

test("the exit status waits for late attachers, with the last output, also for a process nobody watched", async (t) => {
  const guest = await session(t);
  const { proc, exited } = await startProcess(guest, shell("echo done; exit 3", { attach: false }));
  await assert.rejects(exited, { code: "guest_refused" });
  const late = await attachProcess(guest, { proc });
  assert.partialDeepStrictEqual(await finish(late), { stdout: "done\n", code: 3 });
  assert.partialDeepStrictEqual(await finish(await attachProcess(guest, { proc })), { code: 3 });
  await assert.rejects(attachProcess(guest, { proc: proc + 1000 }), { code: "guest_not_found" });
});

test("of the output of a process nobody watches the newest part is kept, and the offset says what is gone", async (t) => {
  const guest = await session(t);
  const size = 4 * KEPT_OUTPUT;
  const script = `head -c ${size} /dev/zero; echo the end; exit 5`;
  const { proc } = await startProcess(guest, shell(script, { attach: false }));
  const late = await attachProcess(guest, { proc });
  const stdout = await buffer(late.stdout);
  const exit = await late.exited;
  assert.equal(exit.code, 5);
  assert.equal(late.stdoutOffset + stdout.length, size + 8);
  assert.ok(stdout.subarray(-8).equals(Buffer.from("the end\n")));
});

test("who attaches takes over, and the one before is told", async (t) => {
  const guest = await session(t);
  const first = await startProcess(guest, { argv: ["cat"], stdin: true });
  const second = await attachProcess(guest, { proc: first.proc });
  await assert.rejects(first.exited, { code: "guest_refused", details: { status: "taken_over" } });
  second.stdin.end("through the second");
  assert.partialDeepStrictEqual(await finish(second), { stdout: "through the second", code: 0 });
});

test("a process that is kept outlives its connection and can be taken up where it was", async (t) => {
  const agent = await hostedAgent(t);
  const before = await agent.connect();
  const process = await startProcess(
    before,
    shell("echo before; read -r line; echo got $line", { stdin: true, onDisconnect: "keep" }),
  );
  assert.equal(await firstWords(process), "before\n");
  before.close();
  await assert.rejects(process.exited, { code: "guest_unreachable" });
  const after = await agent.connect();
  const again = await attachProcess(after, { proc: process.proc, stdoutOffset: 7 });
  assert.equal(again.stdoutOffset, 7);
  again.stdin.end("it\n");
  assert.partialDeepStrictEqual(await finish(again), { stdout: "got it\n", code: 0 });
});

test("a process that is to be hung up ends with its connection", async (t) => {
  const agent = await hostedAgent(t);
  const before = await agent.connect();
  const process = await startProcess(before, { argv: ["sleep", "1000"], onDisconnect: "hangUp" });
  before.close();
  const after = await agent.connect();
  const again = await attachProcess(after, { proc: process.proc });
  assert.equal((await finish(again)).signal, SIGHUP);
});

test("letting go keeps or hangs up as was chosen", async (t) => {
  const guest = await session(t);
  const kept = await startProcess(guest, { argv: ["cat"], stdin: true, onDisconnect: "keep" });
  const hung = await startProcess(guest, { argv: ["cat"], stdin: true, onDisconnect: "hangUp" });
  await Promise.all([kept.detach(), hung.detach()]);
  await assert.rejects(kept.exited, { code: "operation_cancelled" });
  assert.equal((await finish(await attachProcess(guest, { proc: hung.proc }))).signal, SIGHUP);
  const again = await attachProcess(guest, { proc: kept.proc });
  again.stdin.end();
  assert.equal((await finish(again)).code, 0);
});

test("a deadline ends the process group, and the status says so", async (t) => {
  const guest = await session(t);
  const result = await finish(await startProcess(guest, shell("sleep 1000; echo never", { deadlineMs: 50 })));
  assert.equal(result.exit.timedOut, true);
  assert.equal(result.stdout, "");
});

test("a terminal is one stream, knows its size and learns of a new one", async (t) => {
  const guest = await session(t);
  const process = await startProcess(
    guest,
    shell("trap 'stty size; exit 4' WINCH; stty size; while :; do read -r _; done", {
      pty: { rows: 31, cols: 97 },
    }),
  );
  assert.equal(await firstWords(process), "31 97\r\n");
  const rest = text(process.stdout);
  await resizeProcess(guest, process.proc, { rows: 40, cols: 120 });
  assert.match(await rest, /40 120\r\n/);
  assert.equal((await process.exited).code, 4);
});

test("Ctrl-C and Ctrl-D do on a terminal what they do in a shell", async (t) => {
  const guest = await session(t);
  const interrupted = await startProcess(
    guest,
    shell("echo ready; exec sleep 1000", { pty: { rows: 24, cols: 80 } }),
  );
  assert.match(await firstWords(interrupted), /ready/);
  interrupted.stdin.write("\x03");
  assert.equal((await interrupted.exited).signal, constants.signals.SIGINT);
  const reading = await startProcess(
    guest,
    shell("echo ready; cat; exit 9", { pty: { rows: 24, cols: 80 } }),
  );
  assert.match(await firstWords(reading), /ready/);
  reading.stdin.write("\x04");
  assert.equal((await reading.exited).code, 9);
});

test("a reader that stops holds the process back, not the others, and nothing is lost", async (t) => {
  const guest = await session(t);
  const size = 32 * 1024 * 1024;
  const slow = await startProcess(guest, shell(`head -c ${size} /dev/zero | tr '\\0' x`));
  await once(slow.stdout, "readable");
  const buffered = slow.stdout.readableLength;
  // Many other commands come and go meanwhile; of the first not a byte more is sent than was asked for.
  for (let i = 0; i < 20; i++)
    assert.equal((await finish(await startProcess(guest, { argv: ["true"] }))).code, 0);
  assert.ok(slow.stdout.readableLength < 2 * 1024 * 1024, `${buffered} → ${slow.stdout.readableLength}`);
  let seen = 0;
  for await (const chunk of slow.stdout) {
    assert.ok((chunk as Buffer).every((byte) => byte === 0x78));
    seen += (chunk as Buffer).length;
  }
  assert.equal(seen, size);
  assert.equal((await slow.exited).code, 0);
});

test("a process that does not read holds its writer back", async (t) => {
  const agent = await hostedAgent(t);
  const guest = await agent.connect();
  const script = "mkfifo gate; echo ready; read -r _ <gate; exec wc -c";
  const process = await startProcess(guest, shell(script, { stdin: true, cwd: agent.folder }));
  assert.equal(await firstWords(process), "ready\n");
  const piece = Buffer.alloc(65_536, 1);
  const total = 256 * piece.length;
  let sent = 0;
  const writing = (async () => {
    for (; sent < total; sent += piece.length)
      if (!process.stdin.write(piece)) await once(process.stdin, "drain");
    process.stdin.end();
  })();
  for (let i = 0; i < 20; i++) await finish(await startProcess(guest, { argv: ["true"] }));
  assert.ok(sent <= 1024 * 1024, `${sent} bytes were taken while nobody read`);
  await finish(await startProcess(guest, shell("echo >gate", { cwd: agent.folder })));
  await writing;
  assert.equal((await finish(process)).stdout.trim(), String(total));
});

/** Whoever wants to open its file waits until its standard input ends, or for 45 s (fcntl(2), F_SETLEASE). */
const HOLD = `$SIG{IO} = "IGNORE"; open(my $f, "<", $ARGV[0]) or die; $| = 1;
  print fcntl($f, 1024, 1) ? "held\\n" : "refused: $!\\n"; <STDIN>`;

test("a program whose file does not open holds up nobody else", async (t) => {
  const agent = await hostedAgent(t);
  const guest = await agent.connect();
  const program = join(agent.folder, "program");
  await copyFile("/bin/true", program);
  const holder = await startProcess(guest, { argv: ["perl", "-e", HOLD, program], stdin: true });
  const said = await firstWords(holder);
  if (said !== "held\n") return t.skip(`the filesystem of ${agent.folder} has no leases: ${said.trim()}`);
  let started = false;
  const waiting = startProcess(guest, { argv: [program] }).then((process) => {
    started = true;
    return process;
  });
  for (let i = 0; i < 3; i++)
    assert.equal((await finish(await startProcess(guest, shell(`exit ${i}`)))).code, i);
  assert.equal(started, false);
  holder.stdin.end();
  assert.equal((await finish(await waiting)).code, 0);
});

test("a hundred processes at once end each with its own code", async (t) => {
  const guest = await session(t);
  const codes = await Promise.all(
    Array.from(
      { length: 100 },
      async (_, i) => (await finish(await startProcess(guest, shell(`exit ${i}`)))).code,
    ),
  );
  assert.deepEqual(codes, [...codes.keys()]);
});
