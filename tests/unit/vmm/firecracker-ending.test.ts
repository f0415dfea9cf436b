/** Of Firecracker's log only what it said of its end is why it ended. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { endingOf } from "../../../src/vmm/firecracker/ending.ts";

const line = (text: string) => `2026-03-30T17:56:21.871223256 [vm-1:main] ${text}\n`;
const BEGUN = line("Running Firecracker v1.17.0") + line("Successfully started microvm");

test("a guest that reset it is no accident", () => {
  for (const last of ["Vmm is stopping.", "Firecracker exiting successfully. exit_code=0"])
    assert.equal(endingOf(BEGUN + line(last))?.expected, true);
});

test("one that gave up, or died, is told with its own reason", () => {
  const why = "RunWithApiError error: Failed to bind and run the HTTP server: Permission denied";
  const gaveUp = BEGUN + line(why) + line("Firecracker exiting with error. exit_code=1");
  assert.deepEqual(endingOf(gaveUp), { expected: false, reason: `Firecracker ended: ${why}` });
  const signal = "Shutting down VM after intercepting signal 31, code 1.";
  assert.deepEqual(endingOf(BEGUN + line(signal)), {
    expected: false,
    reason: `Firecracker ended: ${signal}`,
  });
});

test("one that was killed says nothing of it", () => {
  for (const log of ["", BEGUN, `${BEGUN}${line("The API server received a Patch request")}`])
    assert.equal(endingOf(log), null);
});
