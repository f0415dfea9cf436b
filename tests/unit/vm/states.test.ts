/** Refusals of VMs in the wrong state name the next thing to type. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { requireState } from "../../../src/vm/states.ts";
import { vmRecord } from "../../support/records.ts";

const hint = (state: Parameters<typeof vmRecord>[0], ...more: [Parameters<typeof requireState>[2]]) => {
  try {
    requireState(vmRecord(state), [], ...more);
    return null;
  } catch (error) {
    return (error as { hint: string }).hint;
  }
};

test("what to type depends on the state and on what is wanted", () => {
  assert.equal(hint({ state: "paused" }, "running"), "banger vm resume brisk-otter");
  assert.equal(hint({ state: "stopped" }, "running"), "banger vm start brisk-otter");
  assert.equal(hint({ state: "running" }, "stopped"), "banger vm stop brisk-otter");
  assert.equal(hint({ state: "running" }, "paused"), "banger vm pause brisk-otter");
  assert.equal(hint({ state: "error" }, "running or stopped"), "banger vm start brisk-otter");
});
