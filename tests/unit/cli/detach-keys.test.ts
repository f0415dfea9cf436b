/** Keys that leave a command, and which command is come back to. */
import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { choose } from "../../../src/cli/commands/vm-attach.ts";
import { DetachFilter, parseDetachKeys } from "../../../src/cli/terminal/detach-keys.ts";
import type { GuestProcess } from "../../../src/sdk/index.ts";

test("keys are written as docker has them; anything else is refused", () => {
  assert.deepEqual([...parseDetachKeys("ctrl-p,ctrl-q")], [16, 17]);
  assert.deepEqual([...parseDetachKeys("ctrl-],a,Z,ctrl-@")], [29, 97, 90, 0]);
  for (const wrong of ["", "ctrl-", "ctrl-1", "ab", "ctrl-p,", "ü"]) {
    assert.throws(() => parseDetachKeys(wrong), { code: "invalid_argument" });
  }
});

/** What comes through, and whether it was left, for keys that arrive in these pieces. */
async function pass(...pieces: string[]): Promise<{ passed: string; left: boolean }> {
  let left = false;
  const filter = new DetachFilter(parseDetachKeys("ctrl-p,ctrl-q"), () => {
    left = true;
  });
  for (const piece of pieces) filter.write(piece);
  filter.end();
  return { passed: await text(filter), left };
}

test("everything passes but the sequence, however it is cut; what follows it does not", async () => {
  assert.deepEqual(await pass("ls\r", "ü→\x03"), { passed: "ls\rü→\x03", left: false });
  assert.deepEqual(await pass("a\x10\x11b"), { passed: "a", left: true });
  assert.deepEqual(await pass("a\x10", "\x11", "b"), { passed: "a", left: true });
  assert.deepEqual(await pass("\x10x\x11"), { passed: "\x10x\x11", left: false });
  assert.deepEqual(await pass("\x10\x10\x11"), { passed: "\x10", left: true });
  assert.deepEqual(await pass("a\x10"), { passed: "a\x10", left: false });
});

test("the one command that nobody is attached to is come back to; otherwise one has to be named", () => {
  const process = (proc: number, rest: Partial<GuestProcess> = {}) =>
    ({ proc, argv: ["sh"], running: true, attached: false, pty: true, ...rest }) as GuestProcess;
  const ended = process(1, { running: false });
  const watched = process(2, { attached: true });
  assert.equal(choose([ended, watched, process(3)], undefined).proc, 3);
  assert.equal(choose([ended, watched, process(3)], "2").proc, 2);
  assert.throws(() => choose([ended, watched], undefined), { code: "invalid_argument" });
  assert.throws(() => choose([process(3), process(4)], undefined), /several/);
  assert.throws(() => choose([process(3)], "9"), /no process 9/);
});
