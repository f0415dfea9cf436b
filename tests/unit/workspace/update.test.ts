/** What a repeated preparation moves, and what it counts as the guest's work. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { TreeChange } from "../../../src/git/tree-diff.ts";
import { planUpdate } from "../../../src/workspace/update.ts";

const file = { mode: 0o100644, oid: "a".repeat(40) };
const changes = (kinds: Record<string, TreeChange["kind"]>) =>
  new Map(
    Object.entries(kinds).map(([path, kind]) => [path, { kind, file: kind === "deleted" ? null : file }]),
  );

test("what only the host changed moves; what the guest made new stays", () => {
  const update = planUpdate({
    givenToGuest: changes({ "guest-new": "added" }),
    guestToWanted: changes({ "guest-new": "deleted", edited: "changed", gone: "deleted", fresh: "added" }),
    guestToPending: null,
  });
  assert.deepEqual(update, { send: ["edited", "fresh"], remove: ["gone"], lost: [] });
});

test("what the guest changed, deleted or made where the host has something else would be lost", () => {
  const update = planUpdate({
    givenToGuest: changes({ edited: "changed", gone: "deleted", both: "added", same: "changed" }),
    guestToWanted: changes({ edited: "changed", gone: "added", both: "changed" }),
    guestToPending: null,
  });
  assert.deepEqual(update.lost, ["edited", "gone", "both"]);
});

test("what a preparation that was cut off had done is nobody's work", () => {
  const update = planUpdate({
    givenToGuest: changes({ done: "changed", own: "changed" }),
    guestToWanted: changes({ done: "changed", own: "changed" }),
    guestToPending: changes({ own: "changed" }),
  });
  assert.deepEqual(update.lost, ["own"]);
});
