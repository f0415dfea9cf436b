/** Time in an emulated guest: as fast as the host's, and kept without ticks (docs/adr/0024). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pass } from "node:timers/promises";
import type { Sandbox } from "../../src/sdk/index.ts";
import { CLOCK_SOURCE, hostTimeStampCounter } from "../../src/vmm/qemu/host-clock.ts";
import { makeHome } from "../support/home.ts";

const VCPU = 2;
/** CONFIG_HZ of the guest's kernel. */
const TICKS_PER_SECOND = 250;
/** /proc/uptime has two decimals. */
const STEP_MS = 10;
/** Over which two clocks are compared, and a guest idles. */
const SPAN_MS = 3000;

/** Between when and when on the host's clock the guest's said what it says. */
interface Reading {
  readonly guest: number;
  readonly from: number;
  readonly to: number;
}

async function read(vm: Sandbox): Promise<Reading> {
  const from = performance.now();
  const { text } = await vm.exec(["cat", "/proc/uptime"]);
  return { guest: Number(text.split(" ")[0]) * 1000, from, to: performance.now() };
}

/** The guest's clock has gone on by what the host's has, less what it stood still. */
function assertSameTime(first: Reading, last: Reading, stoodStill: { least: number; most: number }): void {
  const passed = last.guest - first.guest;
  const least = last.from - first.to - stoodStill.most - STEP_MS;
  const most = last.to - first.from - stoodStill.least + STEP_MS;
  assert.ok(passed >= least && passed <= most, `${passed} ms passed in the guest, here ${least} to ${most}`);
}

describe("an emulated guest on a host that keeps time by its processor's counter", async () => {
  const home = await makeHome();
  const counter = await hostTimeStampCounter();

  test("keeps time by that counter, as fast as the host, stands still with it, and is not woken by ticks", async (t) => {
    const banger = await home.connect();
    await using vm = await banger.create({ vcpu: VCPU, wait: "system" });
    if (vm.info.driver !== "qemu" || vm.info.accelerator !== "tcg")
      return t.skip("this guest is not one that QEMU emulates");
    if (!counter?.reliable) return t.skip("this host does not keep time by its processor's counter");
    assert.equal((await vm.exec(["cat", CLOCK_SOURCE])).text, "tsc\n");

    const first = await read(vm);
    const ticks = `awk '/^ *LOC:/ { for (i = 2; i < 2 + ${VCPU}; i++) all += $i; print all }' /proc/interrupts`;
    const idling = await vm.exec(["sh", "-c", `${ticks}; sleep ${SPAN_MS / 1000}; ${ticks}`]);
    const second = await read(vm);
    assertSameTime(first, second, { least: 0, most: 0 });
    const [before = 0, after = 0] = idling.text.split("\n").map(Number);
    const periodic = (VCPU * TICKS_PER_SECOND * SPAN_MS) / 1000;
    assert.ok(before > 0 && after - before < periodic / 3, `${after - before} ticks of ${periodic}`);

    const asked = performance.now();
    await vm.pause();
    const paused = performance.now();
    await pass(SPAN_MS);
    const resumed = performance.now();
    await vm.resume();
    const least = resumed - paused;
    assertSameTime(second, await read(vm), { least, most: performance.now() - asked });
  });
});
