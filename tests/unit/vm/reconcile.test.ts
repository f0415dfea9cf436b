import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmRecord, VmState } from "../../../src/store/vms.ts";
import { type Facts, reconcile } from "../../../src/vm/reconcile.ts";
import { vmRecord } from "../../support/records.ts";

const ID = vmRecord().id;

function decide(change: Partial<VmRecord>, facts: Partial<Facts> & { isAlive?: boolean } = {}) {
  const vm = vmRecord({ machine: { pid: 1 }, ...change });
  return reconcile([vm], {
    alive: new Set(facts.isAlive ? [vm.id] : []),
    folders: facts.folders ?? [vm.id],
    hostRebooted: facts.hostRebooted ?? (() => false),
  });
}

const EVERY: readonly VmState[] = [
  "creating",
  "stopped",
  "starting",
  "running",
  "stopping",
  "paused",
  "error",
];

const TABLE: Record<VmState, { alive: string | null; dead: string | null }> = {
  creating: { alive: "delete", dead: "delete" },
  starting: { alive: "adopt", dead: "stop" },
  running: { alive: "adopt", dead: "stop" },
  paused: { alive: "adopt", dead: "stop" },
  stopping: { alive: "adopt", dead: "stop" },
  stopped: { alive: "stop", dead: null },
  error: { alive: "stop", dead: null },
};

for (const state of EVERY) {
  test(`${state}: ${TABLE[state].alive} with its monitor alive, ${TABLE[state].dead ?? "nothing"} without`, () => {
    assert.deepEqual(
      decide({ state }, { isAlive: true }).map((action) => action.kind),
      TABLE[state].alive === null ? [] : [TABLE[state].alive],
    );
    assert.deepEqual(
      decide({ state }).map((action) => action.kind),
      TABLE[state].dead === null ? [] : [TABLE[state].dead],
    );
  });

  test(`${state}: deleted when its client was to remove it, and when its disk is gone`, () => {
    for (const isAlive of [true, false]) {
      assert.deepEqual(
        decide({ state, autoRemove: true }, { isAlive }).map((action) => action.kind),
        ["delete"],
      );
      assert.deepEqual(
        decide({ state }, { isAlive, folders: [] }).map((action) => action.kind),
        ["delete"],
      );
    }
  });
}

test("the reason tells how the monitor went", () => {
  const reason = (change: Partial<VmRecord>, rebooted = false) => {
    const [action] = decide(change, { hostRebooted: () => rebooted });
    return action?.kind === "stop" ? action.reason : null;
  };
  assert.match(reason({ state: "running" }) ?? "", /no daemon was running/);
  assert.match(reason({ state: "starting" }) ?? "", /start was cut off/);
  assert.match(reason({ state: "running" }, true) ?? "", /host was restarted/);
});

test("an error keeps its reason when its stray monitor is ended", () => {
  const [action] = decide({ state: "error", reason: "the kernel panicked" }, { isAlive: true });
  assert.deepEqual(action, { kind: "stop", id: ID, reason: "the kernel panicked" });
});

test("folders of no VM are removed, others are left", () => {
  const actions = decide({ state: "stopped" }, { folders: [ID, ".tmp-deleted-vm-x", "vm-unknown"] });
  assert.deepEqual(actions, [
    { kind: "remove_folder", name: ".tmp-deleted-vm-x" },
    { kind: "remove_folder", name: "vm-unknown" },
  ]);
});

test("each VM is judged by itself", () => {
  const vms = EVERY.map((state) => vmRecord({ id: `vm-${state}`, name: state, state }));
  const actions = reconcile(vms, {
    alive: new Set(["vm-running"]),
    folders: vms.map((vm) => vm.id),
    hostRebooted: () => false,
  });
  assert.deepEqual(
    actions.map((action) => `${action.kind} ${"id" in action ? action.id : action.name}`),
    ["delete vm-creating", "stop vm-starting", "adopt vm-running", "stop vm-stopping", "stop vm-paused"],
  );
});
