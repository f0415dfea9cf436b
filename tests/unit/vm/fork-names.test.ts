/** Names of copies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { forkVm } from "../../../src/api/schemas.ts";
import { MAX_COPIES } from "../../../src/cli/commands/vm-fork.ts";
import { forkNames } from "../../../src/vm/fork-names.ts";

const free = () => false;

test("copies are numbered after the VM, taken numbers left out", () => {
  assert.deepEqual(
    forkNames("box", undefined, 3, (name) => name === "box-2"),
    ["box-1", "box-3", "box-4"],
  );
});

test("a name that is given is taken as it is for one copy, and numbered for several", () => {
  assert.deepEqual(forkNames("box", "try", 1, free), ["try"]);
  assert.deepEqual(
    forkNames("box", "try", 2, () => true),
    ["try-1", "try-2"],
  );
  assert.throws(() => forkNames("box", "Not A Label", 1, free), { code: "invalid_argument" });
  assert.throws(() => forkNames("box", "a".repeat(63), 2, free), { code: "invalid_argument" });
});

test("a long name is cut to make room for the number", () => {
  const [name] = forkNames("a".repeat(63), undefined, 1, free);
  assert.equal(name, `${"a".repeat(61)}-1`);
});

test("the command line and the contract agree on how many copies there can be", () => {
  assert.ok(forkVm.safeParse({ count: MAX_COPIES }).success);
  assert.ok(!forkVm.safeParse({ count: MAX_COPIES + 1 }).success);
});
