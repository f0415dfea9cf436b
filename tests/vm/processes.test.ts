/** What a command in a real VM does: output, exit codes, input, users, terminals, signals, deadlines. */
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import type { Sandbox } from "../../src/sdk/index.ts";
import { makeHome } from "../support/home.ts";

describe("a command in a VM", async () => {
  const home = await makeHome();
  let vm: Sandbox;
  before(async () => {
    vm = (await (await home.connect()).create({ name: "procs" })).keep();
  });

  test("runs under the guest's own kernel", async () => {
    const { text: release, exitCode } = await vm.exec(["uname", "-r"]);
    assert.equal(exitCode, 0);
    assert.equal(release.trim(), vm.info.kernel.release);
  });

  test("gives back its exit code exactly", async () => {
    for (const code of [0, 1, 7, 125, 255]) {
      assert.equal((await vm.exec(["sh", "-c", `exit ${code}`])).exitCode, code);
    }
  });

  test("keeps stdout and stderr apart", async () => {
    const result = await vm.exec(["sh", "-c", "echo out; echo err >&2"]);
    assert.equal(result.stdout.toString(), "out\n");
    assert.equal(result.stderr.toString(), "err\n");
  });

  test("gets arguments byte for byte, no shell in between", async () => {
    const odd = ["$HOME", "a b", "*", "'", '"', "\\", "new\nline", "ü→", "-n", ""];
    const { stdout } = await vm.exec(["printf", "%s\\0", ...odd]);
    assert.deepEqual(stdout.toString().split("\0").slice(0, -1), odd);
  });

  test("that does not exist is told apart from one that cannot be executed", async () => {
    await assert.rejects(Promise.resolve(vm.exec(["no-such-command"])), { code: "command_not_found" });
    await assert.rejects(Promise.resolve(vm.exec(["/etc/passwd"])), { code: "command_not_executable" });
  });

  test("killed by a signal counts as 128 and the signal's number", async () => {
    const result = await vm.exec(["sh", "-c", "kill -TERM $$"]);
    assert.equal(result.signal, 15);
    assert.equal(result.exitCode, 143);
  });

  test("reads what is written to its stdin until the end", async () => {
    const execution = vm.exec(["sha256sum"], { stdin: true });
    const megabytes = Buffer.alloc(8 * 1024 * 1024, "banger");
    execution.stdin.end(megabytes);
    const { createHash } = await import("node:crypto");
    const expected = createHash("sha256").update(megabytes).digest("hex");
    assert.ok((await execution).text.startsWith(expected));
  });

  test("without stdin reads an empty one", async () => {
    assert.equal((await vm.exec(["cat"])).text, "");
  });

  test("gets environment, folder and user", async () => {
    const { text: said } = await vm.exec(["sh", "-c", 'echo "$COLOUR $PWD $(id -un)"'], {
      env: { COLOUR: "green" },
      cwd: "/var/tmp",
      user: "nobody",
    });
    assert.equal(said, "green /var/tmp nobody\n");
  });

  test("is not spared when memory runs out, as the agent is, whoever it is started as", async () => {
    const spared = 'for p in $(pgrep -f ^@banger-agent) self; do cat "/proc/$p/oom_score_adj"; done';
    for (const user of ["nobody", "root"])
      assert.equal((await vm.exec(["sh", "-c", spared], { user })).text, "-999\n0\n");
  });

  test("on a terminal sees its size, and the size it is changed to", async () => {
    const execution = vm.exec(["sh", "-c", "stty size; read _; stty size"], {
      pty: { rows: 31, cols: 97 },
      stdin: true,
    });
    await execution.started;
    let seen = "";
    for await (const chunk of execution.stdout) {
      seen += chunk;
      if (/31 97\r\n$/.test(seen)) {
        execution.resize(40, 120);
        execution.stdin.write("\n");
      }
    }
    assert.match(seen, /^31 97\r\n[\s\S]*40 120\r\n$/);
  });

  test("is ended at its deadline and says so", async () => {
    const result = await vm.exec(["sleep", "60"], { timeoutMs: 300 });
    assert.equal(result.timedOut, true);
    assert.equal(result.exitCode, 124);
  });

  test("is hung up when its client leaves", async () => {
    const execution = vm.exec(["sleep", "1001"]);
    const { pid } = await execution.started;
    const gone = vm.exec(["tail", `--pid=${pid}`, "-f", "/dev/null"]);
    await gone.started;
    execution.close();
    assert.equal((await gone).exitCode, 0);
  });

  test("that is to be kept outlives its client and can be taken up again with its output", async () => {
    const execution = vm.exec(["sh", "-c", "echo before; read line; echo $line"], {
      detach: true,
      stdin: true,
      onDisconnect: "keep",
    });
    const { proc } = await execution.started;
    await execution.detached;
    assert.equal((await vm.processes()).find((p) => p.proc === proc)?.running, true);
    const again = vm.attach(proc);
    again.stdin.end("after\n");
    assert.equal((await again).text, "before\nafter\n");
    const late = vm.attach(proc);
    assert.equal((await late).exitCode, 0);
  });

  test("prints 200 MB of binary data without a byte lost", async () => {
    const script = "head -c 200000000 /dev/zero | tr '\\0' '\\377'";
    const execution = vm.exec(["sh", "-c", script]);
    let size = 0;
    for await (const chunk of execution.stdout as AsyncIterable<Buffer>) {
      assert.ok(chunk.every((byte) => byte === 0xff));
      size += chunk.length;
    }
    assert.equal(size, 200_000_000);
    assert.equal((await execution.exited).code, 0);
  });

  test("with more arguments than are taken is refused, and the VM goes on", async () => {
    await assert.rejects(Promise.resolve(vm.exec(["true", "x".repeat(1024 * 1024)])), {
      code: "arguments_too_large",
    });
    assert.equal((await vm.exec(["true"])).exitCode, 0);
  });

  test("runs beside thirty others", async () => {
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, index) => vm.exec(["sh", "-c", `echo ${index}; exit ${index}`])),
    );
    assert.deepEqual(
      results.map((result) => [result.text, result.exitCode]),
      results.map((_, index) => [`${index}\n`, index]),
    );
  });

  test("its orphans are reaped", async () => {
    await vm.exec(["sh", "-c", "(sh -c 'true' & ) ; true"]);
    const { text: zombies } = await vm.exec(["sh", "-c", "ps -eo stat= | grep -c ^Z || true"]);
    assert.equal(zombies.trim(), "0");
  });
});
