/** The other commands as a user types them: what they print, their codes, several VMs at once, names that are wrong. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import type { Vm } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { makeHome } from "../support/home.ts";

describe("banger", async () => {
  const home = await makeHome();
  const { run } = home;
  const show = async (name: string) => JSON.parse((await run(["vm", "show", name, "--json"])).stdout) as Vm;

  test("create, list, show, stop, start, restart, delete: the life of a VM on the command line", async () => {
    const created = await run(["vm", "create", "--name", "life", "--no-start"]);
    assert.deepEqual([created.code, created.stdout], [0, "life\n"], created.stderr);
    assert.equal((await run(["ps"])).stdout.split("\n").length, 2, "only the heading: it is stopped");
    assert.match((await run(["vm", "list", "-a"])).stdout, /^life\s+stopped\s+debian-slim/m);
    assert.equal((await run(["vm", "start", "life"])).stdout, "life running\n");
    const first = await show("life");
    assert.equal(first.state, "running");
    assert.match((await run(["ps"])).stdout, /^life\s+running/m);
    assert.equal((await run(["vm", "restart", "life"])).stdout, "life running\n");
    assert.notEqual((await show("life")).boot_id, first.boot_id);
    assert.equal((await run(["vm", "stop", "life"])).stdout, "life stopped\n");
    assert.equal((await run(["vm", "exec", "life", "--", "true"])).code, 125);
    assert.equal((await run(["vm", "delete", "life"])).stdout, "life deleted\n");
    assert.equal((await run(["vm", "show", "life"])).code, 1);
  });

  test("verbs take several VMs, once each, in the order typed, and go on when one is wrong", async () => {
    for (const name of ["one", "two"]) await run(["vm", "create", "-q", "--no-start", "--name", name]);
    const { id } = await show("one");
    const result = await run(["vm", "delete", "two", "nobody", "one", "two", id]);
    assert.equal(result.code, 1);
    assert.equal(result.stdout, "two deleted\none deleted\n");
    assert.match(result.stderr, /no VM named 'nobody'/);
    assert.equal((await run(["vm", "list", "-a", "--json"])).stdout, "[]\n");
  });

  test("a VM is named by a unique prefix of its id; an ambiguous one is refused with the candidates", async () => {
    for (const name of ["first", "second"]) await run(["vm", "create", "-q", "--no-start", "--name", name]);
    const { id } = await show("first");
    assert.equal((await show(id.slice(0, -1))).name, "first");
    const ambiguous = await run(["vm", "show", "vm-"]);
    assert.equal(ambiguous.code, 1);
    assert.match(ambiguous.stderr, /ambiguous|several/i);
    const taken = await run(["vm", "create", "-q", "--no-start", "--name", "first"]);
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /'first'/);
    await run(["vm", "delete", "-q", "first", "second"]);
  });

  test("exec passes environment, folder, user, input and binary output of 200 MB", async () => {
    assert.equal((await run(["vm", "create", "-q", "--name", "busy"])).code, 0);
    const where = await run([
      ...["vm", "exec", "busy", "-e", "COLOUR=green", "-w", "/var/tmp", "-u", "nobody", "--"],
      ...["sh", "-c", 'echo "$COLOUR $PWD $(id -un)"'],
    ]);
    assert.equal(where.stdout, "green /var/tmp nobody\n", where.stderr);
    const input = randomBytes(5_000_000);
    const digest = createHash("sha256").update(input).digest("hex");
    assert.match(
      (await run(["vm", "exec", "busy", "--", "sha256sum"], input)).stdout,
      new RegExp(`^${digest}`),
    );
    const script = "head -c 200000000 /dev/zero | tr '\\0' '\\377'";
    const big = await run(["vm", "exec", "busy", "--", "sh", "-c", `${script} | tee /dev/stderr | b2sum`]);
    assert.equal(big.code, 0);
    const sent = createHash("blake2b512"); // takes an emulated guest a third of the time that sha256 does
    for (let left = 200; left > 0; left--) sent.update(Buffer.alloc(1_000_000, 0xff));
    assert.equal(big.stdout, `${sent.digest("hex")}  -\n`);
    assert.equal(
      big.stderr.length,
      200_000_000,
      "each byte, none of them UTF-8, became one replacement character",
    );
    const large = await run(["vm", "exec", "busy", "--", "true", ...Array(10).fill("x".repeat(110_000))]);
    assert.equal(large.code, 125);
    assert.match(large.stderr, /at most 200000 can be passed\n {2}put long input in a file/);
    assert.equal((await run(["vm", "exec", "busy", "--no-stdin", "--", "cat"], "ignored")).stdout, "");
    await run(["vm", "delete", "-q", "busy"]);
  });

  test("output that cannot be written is told with the reason, never lost in silence", async () => {
    await run(["vm", "create", "-q", "--name", "writer"]);
    const toFull = async (...words: string[]) => {
      const child = spawn("sh", ["-c", 'exec "$0" "$@" >/dev/full', LAUNCHER, ...words], {
        env: home.env,
        stdio: ["ignore", "ignore", "pipe"],
      });
      const [problem, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
      assert.match(problem, /^banger: standard output cannot be written: ENOSPC.*\n {2}\S/);
      return code;
    };
    assert.equal(await toFull("ps"), 1);
    assert.equal(await toFull("vm", "logs", "-f", "writer"), 1);
    assert.equal(await toFull("vm", "exec", "writer", "--", "cat", "/dev/zero"), 125);
    await run(["vm", "delete", "-q", "writer"]);
  });

  test("logs shows the console, follows it to the end, and can be cut", async () => {
    await run(["vm", "create", "-q", "--name", "talker"]);
    await run([
      "vm",
      "exec",
      "talker",
      "--",
      "sh",
      "-c",
      "echo marker-one >/dev/console; echo marker-two >/dev/console",
    ]);
    const following = run(["vm", "logs", "-f", "talker"]);
    await run(["vm", "stop", "-q", "talker"]);
    const all = await following;
    assert.equal(all.code, 0);
    assert.match(all.stdout, /marker-one[\s\S]*marker-two[\s\S]*Power down/);
    const tail = (await run(["vm", "logs", "--tail", "1", "talker"])).stdout;
    assert.equal(tail.trim().split("\n").length, 1);
    await run(["vm", "delete", "-q", "talker"]);
  });

  test("image and kernel pull do no work a second time, and say so", async () => {
    for (const args of [
      ["image", "pull", "debian-slim"],
      ["kernel", "pull", "debian-cloud"],
    ]) {
      const result = await run(args);
      assert.equal(result.code, 0, result.stderr);
      assert.match(result.stdout, /was here already/);
      assert.match((await run([args[0] ?? "", "list"])).stdout, new RegExp(`^${args[2]}\\s`, "m"));
    }
  });

  test("unknown commands and options are refused with code 2 and what was probably meant", async () => {
    const wrong = await run(["vm", "lst"]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /unknown command[\s\S]*vm list/);
    const option = await run(["vm", "list", "--jsno"]);
    assert.equal(option.code, 2);
    assert.match(option.stderr, /--jsno[\s\S]*--json/);
    assert.equal((await run(["vm", "show"])).code, 2);
  });

  test("help is there for every command, with examples, and starts no daemon", async () => {
    await run(["daemon", "stop"]);
    const commands = (await run(["--help"])).stdout.match(/^ {2}(vm|image|kernel|daemon)( \w+)+/gm) ?? [];
    assert.ok(commands.length > 10, "the overview lists the commands");
    for (const command of commands) {
      const help = await run([...command.trim().split(" "), "--help"]);
      assert.equal(help.code, 0);
      assert.match(help.stdout, /Examples:\n {2}\S/, command);
    }
    assert.match((await run(["daemon", "status"])).stdout, /not running/);
  });

  test("doctor passes here, says which driver and why, and starts no daemon", async () => {
    const doctor = await run(["doctor"]);
    assert.equal(doctor.code, 0, doctor.stdout);
    assert.match(doctor.stdout, /driver\s+qemu\/(tcg|kvm): QEMU \d/);
    assert.match((await run(["daemon", "status"])).stdout, /not running/);
  });
});
