/** When VMs are stopped by themselves: the decision, and the one timer that waits for the next. */
import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import type { VmChange, VmRecord } from "../../../src/store/vms.ts";
import { Deadlines, deadlineOf } from "../../../src/vm/deadlines.ts";
import { vmRecord } from "../../support/records.ts";

const MINUTE = 60_000;
const running = (change: Partial<VmRecord>) => vmRecord({ state: "running", startedAt: 0, ...change });

describe("a VM's deadline", () => {
  test("is its lifetime after its start, or its idle time, whichever comes first", () => {
    assert.equal(deadlineOf(running({ idleSince: 0 }), 0), null);
    assert.deepEqual(deadlineOf(running({ ttlMs: 500, idleSince: 0 }), 0), { at: 500, why: "ttl" });
    assert.deepEqual(deadlineOf(running({ idleSince: 100 }), 50), { at: 150, why: "idle" });
    assert.deepEqual(deadlineOf(running({ ttlMs: 500, idleSince: 100 }), 50), { at: 150, why: "idle" });
    assert.deepEqual(deadlineOf(running({ ttlMs: 120, idleSince: 100 }), 50), { at: 120, why: "ttl" });
  });

  test("does not come while it is used, nor when it does not run", () => {
    assert.equal(deadlineOf(running({ idleSince: null }), 50), null);
    assert.equal(deadlineOf(running({ state: "paused", idleSince: 100 }), 50), null);
    assert.deepEqual(deadlineOf(running({ state: "paused", ttlMs: 1 }), 0), { at: 1, why: "ttl" });
    assert.equal(deadlineOf(vmRecord({ ttlMs: 1, startedAt: 0, idleSince: 0 }), 50), null);
  });
});

describe("the watch over deadlines", () => {
  /** VMs in memory, a clock that the test moves, and what was ended. */
  function watched(t: TestContext, autoStopMs: number, ...records: VmRecord[]) {
    t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
    const vms = new Map(records.map((vm) => [vm.id, vm]));
    const ended: string[] = [];
    const deadlines = new Deadlines(
      {
        list: () => [...vms.values()],
        get: (id) => vms.get(id) ?? null,
        update: (id: string, change: VmChange) => vms.set(id, { ...(vms.get(id) as VmRecord), ...change }),
      },
      () => autoStopMs,
    );
    const begin = (stops = true) =>
      deadlines.begin((vm, why) => {
        ended.push(`${vm.id} ${why} ${Date.now()}`);
        if (stops) vms.set(vm.id, { ...vm, state: "stopped" });
      });
    return { deadlines, vms, ended, begin, tick: (ms: number) => t.mock.timers.tick(ms) };
  }

  test("ends each VM at its time, and what was due while nobody watched at once", (t) => {
    const { begin, ended, tick } = watched(
      t,
      0,
      running({ id: "late", startedAt: -500, ttlMs: 100 }),
      running({ id: "second", ttlMs: 3 * MINUTE }),
      running({ id: "first", ttlMs: 2 * MINUTE }),
    );
    begin();
    assert.deepEqual(ended, ["late ttl 0"]);
    for (let minute = 0; minute < 5; minute++) tick(MINUTE);
    assert.deepEqual(ended, ["late ttl 0", `first ttl ${2 * MINUTE}`, `second ttl ${3 * MINUTE}`]);
  });

  test("counts idle time from the last use; use that goes on keeps a VM", (t) => {
    const { deadlines, begin, ended, tick } = watched(t, 10 * MINUTE, running({ id: "a", idleSince: 0 }));
    begin();
    tick(9 * MINUTE);
    deadlines.used("a", true);
    tick(60 * MINUTE);
    assert.deepEqual(ended, []);
    deadlines.used("a", false);
    tick(10 * MINUTE - 1);
    assert.deepEqual(ended, []);
    tick(1);
    assert.deepEqual(ended, [`a idle ${79 * MINUTE}`]);
  });

  test("a VM that was in use when its daemon died is idle from the new daemon's beginning", (t) => {
    const { begin, ended, tick } = watched(t, MINUTE, running({ id: "a", idleSince: null }));
    begin();
    tick(MINUTE);
    assert.deepEqual(ended, [`a idle ${MINUTE}`]);
  });

  test("one that cannot be stopped just now is tried again later, not at once", (t) => {
    const { begin, ended, tick } = watched(t, 0, running({ id: "a", ttlMs: 10 }));
    begin(false);
    tick(10);
    tick(MINUTE - 1);
    assert.deepEqual(ended, ["a ttl 10"]);
    tick(1);
    assert.equal(ended.length, 2);
  });

  test("without deadlines there is no timer; longer ones than a timer can wait for are kept", (t) => {
    const year = 365 * 24 * 60 * MINUTE;
    const { begin, ended, tick } = watched(t, 0, running({ id: "a", ttlMs: year }), running({ id: "b" }));
    begin();
    for (let month = 0; month < 12; month++) tick(year / 12 - 1);
    assert.deepEqual(ended, []);
    tick(12);
    assert.deepEqual(ended, [`a ttl ${year}`]);
  });
});
