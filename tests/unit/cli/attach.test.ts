/** A guest command on this terminal: streams, signals, and every way it can end. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { describe, test } from "node:test";
import { type CommandRequest, runCommand } from "../../../src/cli/attach.ts";
import { Interrupted } from "../../../src/cli/exit.ts";
import { BangerError } from "../../../src/core/errors.ts";
import type { ExecOptions } from "../../../src/sdk/index.ts";
import { signalSelf, TestExecution, testContext } from "../../support/place.ts";

const plain: CommandRequest = {
  env: {},
  user: undefined,
  cwd: undefined,
  tty: false,
  noStdin: false,
  timeout: undefined,
};

/** Starts a command; `asked` is what the guest was asked for. */
function start(request: Partial<CommandRequest> = {}, context = testContext(), command?: string[]) {
  const execution = new TestExecution();
  const asked: { argv?: readonly string[]; options?: ExecOptions } = {};
  const exec = (argv: readonly string[], options: ExecOptions) => {
    Object.assign(asked, { argv, options });
    return execution.asExecution;
  };
  const code = runCommand(context, exec, command ?? ["cmd"], { ...plain, ...request });
  code.catch(() => {}); // looked at later
  return { context, execution, asked, code };
}

const listening = () => ["SIGINT", "SIGTERM", "SIGHUP"].map((name) => process.listenerCount(name));

describe("a command on this terminal", () => {
  test("gets the input; its outputs stay apart; its code comes back", async () => {
    const { context, execution, code } = start();
    (context.stdin as unknown as PassThrough).end("to the guest");
    const input = (await execution.stdin.toArray()).join("");
    execution.stdout.write("out");
    execution.stderr.write("err");
    execution.end({ code: 3 });
    assert.equal(await code, 3);
    assert.equal(input, "to the guest");
    assert.deepEqual(context.printed, { stdout: "out", stderr: "err" });
  });

  test("without input is given none, and ours is not read", async () => {
    const { context, execution, asked, code } = start({ noStdin: true });
    (context.stdin as unknown as PassThrough).write("kept");
    execution.end({ code: 0 });
    await code;
    assert.equal(asked.options?.stdin, false);
    assert.equal(context.stdin.read()?.toString(), "kept");
  });

  test("has no terminal unless asked; then it has our TERM and a size", async () => {
    const context = { ...testContext(), env: { TERM: "xterm-256color" } };
    const without = start({}, context);
    without.execution.end({ code: 0 });
    await without.code;
    assert.equal(without.asked.options?.pty, undefined);
    assert.deepEqual(without.asked.options?.env, {});
    const { asked, execution, code } = start({ tty: true, env: { A: "1" } }, context);
    execution.end({ code: 0 });
    await code;
    assert.deepEqual(asked.options?.pty, { rows: 24, cols: 80 });
    assert.deepEqual(asked.options?.env, { TERM: "xterm-256color", A: "1" });
  });

  test("is not asked for more than our output takes", async () => {
    const writes: (() => void)[] = [];
    const slow = new Writable({
      highWaterMark: 1024,
      write: (_chunk, _encoding, done) => void writes.push(done),
    });
    const { execution, code } = start(
      {},
      { ...testContext(), stdout: slow as unknown as NodeJS.WriteStream },
    );
    let taken = 0;
    while (execution.stdout.write(Buffer.alloc(16 * 1024)) && ++taken < 1000) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(taken < 10, `${taken} pieces of 16 KiB were taken by an output that writes none`);
    execution.end({ code: 0 });
    slow._write = (_chunk, _encoding, done) => done();
    writes.splice(0).forEach((done) => {
      done();
    });
    assert.equal(await code, 0);
  });

  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
  ] as const) {
    test(`gets ${signal}, and its own way to end counts; the second one leaves it`, async () => {
      const polite = start();
      signalSelf(signal);
      assert.deepEqual(polite.execution.signals, [number]);
      polite.execution.end({ code: 5 });
      assert.equal(await polite.code, 5);

      const stubborn = start();
      signalSelf(signal);
      assert.equal(stubborn.execution.closed, false);
      signalSelf(signal);
      await assert.rejects(stubborn.code, (error) => error instanceof Interrupted && error.signal === signal);
      assert.equal(stubborn.execution.closed, true);
    });
  }

  test("is left at once when the terminal is gone", async () => {
    const { execution, code } = start();
    signalSelf("SIGHUP");
    await assert.rejects(code, Interrupted);
    assert.deepEqual([execution.closed, execution.signals], [true, []]);
  });

  test("on a terminal of its own is left by the first signal: Ctrl-C comes as a key there", async () => {
    const { execution, code } = start({ tty: true });
    signalSelf("SIGTERM");
    await assert.rejects(code, Interrupted);
    assert.deepEqual([execution.closed, execution.signals], [true, []]);
  });

  test("leaves signals as they were, however it ended", async () => {
    const before = listening();
    const good = start();
    assert.notDeepEqual(listening(), before);
    good.execution.end({ code: 0 });
    await good.code;
    assert.deepEqual(listening(), before);
    const lost = start({ tty: true });
    lost.execution.fail(BangerError.of("daemon_connection_lost", {}));
    await assert.rejects(lost.code, { code: "daemon_connection_lost" });
    assert.deepEqual(listening(), before);
    assert.equal(lost.context.stdout.listenerCount("resize"), 0);
  });

  test("that ran out of time is told, with code 124", async () => {
    const { execution, code } = start({ timeout: 90_000 });
    execution.end({ signal: 15, timedOut: true });
    await assert.rejects(code, (error: BangerError) => {
      assert.equal(error.exit, 124);
      assert.match(error.message, /1m30s/);
      return true;
    });
  });

  test("is left when our output cannot be written, or our input not be read", async () => {
    const full = new Writable({ write: (_chunk, _encoding, done) => done(new Error("ENOSPC: disk full")) });
    const output = start({}, { ...testContext(), stdout: full as unknown as NodeJS.WriteStream });
    output.execution.stdout.write("x");
    await assert.rejects(output.code, /standard output cannot be written: ENOSPC/);
    assert.equal(output.execution.closed, true);

    const input = start();
    input.context.stdin.destroy(new Error("EIO: i/o error, read"));
    await once(input.context.stdin, "close").catch(() => {});
    await assert.rejects(input.code, /standard input cannot be read: EIO/);
    assert.equal(input.execution.closed, true);
  });
});

test("without a command it is a login shell, on a terminal when its input is one", async () => {
  for (const isTTY of [false, true]) {
    const context = testContext();
    const stdin = Object.assign(new PassThrough(), { isTTY }) as unknown as NodeJS.ReadStream;
    const execution = new TestExecution();
    let pty: ExecOptions["pty"];
    const exec = (argv: readonly string[], options: ExecOptions) => {
      assert.match(argv.join(" "), /SHELL.* -l/);
      pty = options.pty;
      return execution.asExecution;
    };
    // Without input nothing is taken from the (pretended) terminal.
    const code = runCommand({ ...context, stdin }, exec, undefined, { ...plain, noStdin: true });
    execution.end({ code: 0 });
    await code;
    assert.equal(pty !== undefined, isTTY);
  }
});
