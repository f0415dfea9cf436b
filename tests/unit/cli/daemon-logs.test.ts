/** The daemon's log on the terminal and for programs. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import daemonLogs from "../../../src/cli/commands/daemon-logs.ts";
import { renderLogLine } from "../../../src/cli/terminal/log-line.ts";
import { makeStyle } from "../../../src/cli/terminal/view.ts";
import { testContext } from "../../support/place.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const plain = makeStyle(false);
const line = JSON.stringify({ level: 40, time: 0, pid: 1, op: "op-1", vm: { id: 2 }, msg: "it is slow" });
const shown = '1970-01-01T00:00:00.000Z warn  it is slow op=op-1 vm={"id":2}';

test("a line of JSON is told in words, its facts after them; anything else stays", () => {
  assert.equal(renderLogLine(line, plain), shown);
  for (const other of ["Error: a stack trace", "    at x", "", "null", "42", '"text"', "[1]"])
    assert.equal(renderLogLine(other, plain), other);
  assert.equal(renderLogLine('{"level":30,"time":1e300,"msg":"later"}', plain), "info  later");
});

test("control characters of a log line do not reach the terminal", () => {
  const hostile = renderLogLine(JSON.stringify({ level: 30, msg: "a\x1b[2Jb", why: "c\x07" }), plain);
  assert.doesNotMatch(hostile, /\p{Cc}/u);
});

const options = { follow: false, tail: 1, json: false };

test("the last lines, rendered or raw", async (t) => {
  const state = temporaryFolder(t);
  mkdirSync(join(state, "banger"));
  writeFileSync(join(state, "banger/daemon.log"), `earlier\n${line}\n`);
  for (const [json, expected] of [
    [false, shown],
    [true, line],
  ] as const) {
    const context = { ...testContext(), env: { XDG_STATE_HOME: state } };
    await daemonLogs.handler({ options: { ...options, json }, args: [], command: undefined }, context);
    assert.equal(context.printed.stdout, `${expected}\n`);
  }
});

test("before the first daemon there is a notice, no error", async (t) => {
  const context = { ...testContext(), env: { XDG_STATE_HOME: temporaryFolder(t) } };
  await daemonLogs.handler({ options, args: [], command: undefined }, context);
  assert.equal(context.printed.stdout, "");
  assert.match(context.printed.stderr, /has not run yet/);
});
