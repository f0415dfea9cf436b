/** The doctor's exit code and how rows are shown; the daemon's row. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import doctor from "../../../src/cli/commands/doctor.ts";
import { checkDaemon } from "../../../src/cli/daemon-row.ts";
import { makeStyle } from "../../../src/cli/terminal/view.ts";
import { BangerError } from "../../../src/core/errors.ts";
import { VERSION } from "../../../src/core/version.ts";
import { fail, pass, warn } from "../../../src/doctor/row.ts";

const [good, poor, bad] = [pass("a", "fine"), warn("b", "slow", "buy one"), fail("c", "gone", "get it")];

test("only a failure makes the exit code 1", () => {
  assert.equal(doctor.exitCode?.([good, poor]), 0);
  assert.equal(doctor.exitCode?.([good, bad, poor]), 1);
});

test("each row has its state first and its fix below", () => {
  const shown = doctor.render?.([good, bad], { style: makeStyle(false), now: 0 });
  assert.match(shown ?? "", /^PASS {2}a +fine\nFAIL {2}c +gone\n +get it\n$/);
});

describe("the daemon's row", () => {
  const running = (version: string) => async () => ({
    status: async () => ({ pid: 7, uptime_ms: 1000, version }),
    [Symbol.dispose]: () => {},
  });
  const failing = (error: Error) => () => Promise.reject(error);
  const unreachable = (code: string) =>
    BangerError.of("daemon_unreachable", { reason: "why" }, { cause: Object.assign(new Error(), { code }) });

  test("passes when it runs, or does not: commands start it", async () => {
    assert.equal((await checkDaemon(running(VERSION))).state, "pass");
    assert.match((await checkDaemon(failing(unreachable("ECONNREFUSED")))).detail, /^not running/);
    assert.equal((await checkDaemon(failing(unreachable("ENOENT")))).state, "pass");
  });

  test("warns of another version", async () => {
    const row = await checkDaemon(running("0.0.1"));
    assert.equal(row.state, "warn");
    assert.match(row.detail, /0\.0\.1/);
    assert.match(row.fix ?? "", /banger daemon restart/);
  });

  test("fails when it cannot be spoken to", async () => {
    assert.equal((await checkDaemon(failing(unreachable("EACCES")))).state, "fail");
    const foreign = BangerError.of("daemon_socket_foreign", { path: "/s", uid: 7 });
    assert.deepEqual(await checkDaemon(failing(foreign)), fail("daemon", foreign.message, foreign.hint));
  });
});
