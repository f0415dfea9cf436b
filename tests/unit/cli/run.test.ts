/** What `run` and `create` refuse before they reach for the daemon, and the codes a command line ends with. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Interrupted, signalCode } from "../../../src/cli/exit.ts";
import { run } from "../../../src/cli/program.ts";
import { BangerError, type ErrorCode } from "../../../src/core/errors.ts";
import { EXIT } from "../../../src/core/exit-codes.ts";
import { exitCode } from "../../../src/sdk/index.ts";
import { testContext } from "../../support/place.ts";

describe("is refused with code 2, without a daemon:", () => {
  for (const [line, reason] of [
    ["vm run -d --rm", /--detach and --rm exclude each other/],
    ["vm run -d -- true", /--detach takes no command/],
    ["vm run --", /no command stands after --/],
    ["vm run --json", /--json needs --detach/],
    ["vm run true", /true is no git work tree that can be copied: it does not exist/],
    ["vm run . true", /too many arguments/],
    ["vm run /etc/passwd", /it is no folder/],
    ["vm run / --dry-run", /it lies in no git repository/],
    ["vm run --branch x", /--branch needs a path/],
    ["vm run --include-untracked", /--include-untracked needs a path/],
    ["vm run . --from HEAD", /--from needs --branch/],
    ["vm run --dry-run", /--dry-run needs a path/],
    ["vm run . --branch a..b", /'a..b' cannot be a branch's name/],
    ["vm run . --branch new --from no-such-ref", /'no-such-ref' is no commit/],
    ["vm run --bridge", /unknown option '--bridge'/],
    ["vm run -e =x -- true", /'' is not a variable's name/],
    ["vm run --timeout 0 -- true", /--timeout/],
    ["vm create --no-start --wait agent", /--no-start and --wait exclude each other/],
    ["vm create -- true", /nothing can stand after --/],
    ["vm exec", /missing required argument 'vm'/],
    ["vm exec box true", /too many arguments/],
    ["vm logs box --tail -1", /--tail/],
    ["vm logs box --tail many", /'many' is not a number of lines/],
    ["vm stop", /missing required argument 'vm'/],
    ["vm stop box --timeout never", /--timeout/],
    ["vm frobnicate", /unknown command 'vm frobnicate'/],
  ] as const) {
    test(`banger ${line}`, async () => {
      const context = testContext();
      const code = await run(line.split(" "), context);
      assert.equal(code, EXIT.usage, context.printed.stderr);
      assert.match(context.printed.stderr, reason);
      assert.match(context.printed.stderr, /\n {2}\S/, "a hint follows");
      assert.equal(context.printed.stdout, "");
    });
  }
});

test("a group's name alone, and --help anywhere before --, print help and need no daemon", async () => {
  for (const [line, shown] of [
    ["vm", /vm create/],
    ["vm exec --help", /Usage: banger vm exec/],
    ["help vm logs", /Usage: banger vm logs/],
    ["vm delete box -h", /Usage: banger vm delete/],
  ] as const) {
    const context = testContext();
    assert.equal(await run(line.split(" "), context), EXIT.ok);
    assert.match(context.printed.stdout, shown);
    assert.equal(context.printed.stderr, "");
  }
});

describe("the code of a failure", () => {
  const end = (words: string[], thrown: Error) => {
    const context = testContext();
    return run(words, { ...context, connect: () => Promise.reject(thrown) });
  };
  const exec = ["vm", "exec", "box", "--", "true"];
  const of = (code: ErrorCode) => BangerError.of(code as "internal", { problem: "" });

  test("is 125 for run and exec, whose other codes are the guest's, and 1 elsewhere", async () => {
    assert.equal(await end(exec, of("vm_not_found")), 125);
    assert.equal(await end(["vm", "run"], of("daemon_unreachable")), 125);
    assert.equal(await end(exec, new Error("a mistake in the program")), 125);
    assert.equal(await end(["vm", "logs", "box"], of("vm_not_found")), 1);
    assert.equal(await end(["vm", "create"], of("daemon_unreachable")), 1);
  });

  test("is the error's own where it says more: 126, 127, 124, 2", async () => {
    assert.equal(await end(exec, of("command_not_executable")), 126);
    assert.equal(await end(exec, of("command_not_found")), 127);
    assert.equal(await end(exec, of("command_timed_out")), 124);
    assert.equal(await end(exec, of("invalid_argument")), 2);
  });

  test("is 128 + n for a signal to banger, without a message", async () => {
    const context = testContext();
    const connect = () => Promise.reject(new Interrupted("SIGINT"));
    assert.equal(await run(exec, { ...context, connect }), 130);
    assert.equal(context.printed.stderr, "");
    assert.deepEqual([signalCode("SIGHUP"), signalCode("SIGTERM")], [129, 143]);
  });

  test("of a command that ended is its own, 128 + n by a signal, 124 when the time was over", () => {
    assert.equal(exitCode({ code: 7, signal: null, timedOut: false }), 7);
    assert.equal(exitCode({ code: null, signal: 9, timedOut: false }), 137);
    assert.equal(exitCode({ code: null, signal: 15, timedOut: true }), 124);
    assert.equal(exitCode({ code: 0, signal: null, timedOut: true }), 124);
  });
});
