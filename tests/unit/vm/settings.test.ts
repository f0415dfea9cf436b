/** What `vm set` accepts, and what it refuses before anything is changed. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GIB, MIB } from "../../../src/core/units.ts";
import { settingsToChange, type VmSettings } from "../../../src/vm/settings.ts";
import { vmRecord } from "../../support/records.ts";

const host = { cpus: 4, memoryBytes: 8 * GIB };
const stopped = vmRecord();
const running = vmRecord({ state: "running" });
const RATE = { bytesPerSecond: 10 * MIB, burstBytes: null, opsPerSecond: 500 };
const change = (vm: typeof stopped, settings: VmSettings) => settingsToChange(vm, settings, host);

describe("the settings of a VM", () => {
  test("are what differs; a disk's size is rounded up to whole MiB", () => {
    const asked = { name: "crate", vcpu: 2, memoryMib: 512, diskBytes: 9 * GIB + 1 };
    assert.deepEqual(change(stopped, asked), { name: "crate", memoryMib: 512, diskBytes: 9 * GIB + MIB });
    assert.deepEqual(change(stopped, { name: stopped.name, diskBytes: stopped.diskBytes }), {});
  });

  test("name and disk can change while it runs, processors and memory cannot, unless they stay as they are", () => {
    assert.deepEqual(change(running, { name: "crate", vcpu: 2 }), { name: "crate" });
    for (const settings of [{ vcpu: 1 }, { memoryMib: 512, name: "crate" }, { diskRate: RATE }]) {
      assert.throws(() => change(running, settings), {
        code: "vm_wrong_state",
        message: /is running; this needs it to be stopped/,
        hint: "banger vm stop brisk-otter",
      });
    }
  });

  test("a limit of speed that is as it was is no change; none is one", () => {
    const limited = vmRecord({ diskRate: RATE });
    assert.deepEqual(change(limited, { diskRate: { ...RATE }, netRate: null }), {});
    assert.deepEqual(change(limited, { diskRate: null }), { diskRate: null });
  });

  test("nothing can change while it comes or goes", () => {
    for (const state of ["creating", "starting", "stopping", "paused"] as const)
      assert.throws(() => change(vmRecord({ state }), { name: "crate" }), { code: "vm_wrong_state" });
  });

  test("what cannot be is refused with what is accepted", () => {
    assert.throws(() => change(stopped, {}), { code: "invalid_argument", hint: /--disk-size/ });
    assert.throws(() => change(stopped, { diskBytes: 7 * GIB }), {
      code: "invalid_argument",
      message: /cannot be made smaller than it is \(8G\)/,
      hint: "accepted: --disk-size of at least 8G",
    });
    assert.throws(() => change(stopped, { name: "Not A Label" }), { code: "invalid_argument" });
    assert.throws(() => change(stopped, { vcpu: 5 }), { code: "resource_exceeds_host" });
    assert.throws(() => change(stopped, { memoryMib: 9000 }), { code: "resource_exceeds_host" });
  });
});
