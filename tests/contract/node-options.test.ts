/** Node ends when it is told to: with the options that banger's programs run with. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CLIENT_OPTIONS, DAEMON_OPTIONS } from "../../src/host/node-options.ts";
import { LAUNCHER } from "../support/command.ts";
import { patient } from "../support/patience.ts";

/**
 * Ends while V8 has hot functions to compile and no heap left to put them. Given as it is, without types: taking those
 * away is work that leaves V8 in another state, in which the run hangs less often.
 */
const BUSY_EXIT = `
const body = (n) => "let s = 0; for (let i = 0; i < 400; i++) { s += a.x" + (n % 7) + " * i; s ^= " + n + "; } return s;";
const hot = Array.from({ length: 400 }, (_, n) => new Function("a", body(n)));
for (let call = 0; call < 4; call++)
  for (const one of hot) one({ x0: 1, x1: 2, x2: 3, x3: 4, x4: 5, x5: 6, x6: 7 });
const kept = Array.from({ length: 400 }, () => Buffer.allocUnsafeSlow(256 * 1024));
process.exit(7);
`;
/** Without the options that forbid it, most runs never end. */
const RUNS = 6;

for (const [program, options] of Object.entries({
  "the command line": CLIENT_OPTIONS,
  "the daemon": DAEMON_OPTIONS,
})) {
  test(`${program} ends while its functions are compiled and its heap is full`, () => {
    for (let run = 0; run < RUNS; run++) {
      const { status, signal } = spawnSync(process.execPath, [...options, "--eval", BUSY_EXIT], {
        timeout: patient(15_000),
        killSignal: "SIGKILL",
      });
      assert.deepEqual({ status, signal }, { status: 7, signal: null });
    }
  });
}

test("the launcher and the entry name the options of the command line", () => {
  const entry = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const [first = ""] = readFileSync(entry, "utf8").split("\n");
  assert.equal(first, `#!/usr/bin/env -S node ${CLIENT_OPTIONS.join(" ")} --`);
  assert.ok(readFileSync(LAUNCHER, "utf8").includes(` ${CLIENT_OPTIONS.join(" ")} -- `));
});
