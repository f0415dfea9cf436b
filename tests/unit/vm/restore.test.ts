/** Whether a saved machine can go on here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mismatch } from "../../../src/vm/restore.ts";

const machine = { version: "QEMU 7.2.22", accelerator: "tcg", processor: "Xeon", counterKhz: null } as const;

test("a machine goes on with the same monitor, accelerator and processor only, and the reason is told", () => {
  const here = { version: machine.version, accelerator: machine.accelerator };
  assert.equal(mismatch(machine, here, "Xeon"), null);
  assert.match(mismatch(machine, { ...here, version: "QEMU 8.0" }, "Xeon") ?? "", /7\.2\.22 .* 8\.0/);
  assert.match(mismatch(machine, { ...here, accelerator: "kvm" }, "Xeon") ?? "", /tcg, this host uses kvm/);
  assert.match(mismatch(machine, here, "EPYC") ?? "", /Xeon, this is EPYC/);
});

test("a machine that keeps time by the host's counter goes on where one counts as fast, as near as NTP can make up for", () => {
  const here = { version: machine.version, accelerator: machine.accelerator };
  const at = (khz: number | null, counterKhz?: number) =>
    mismatch({ ...machine, counterKhz: khz }, { ...here, ...(counterKhz && { counterKhz }) }, "Xeon");
  assert.equal(at(2_300_000, 2_300_000), null);
  assert.equal(at(2_300_000, 2_300_900), null);
  assert.equal(at(2_300_000, 2_299_100), null);
  assert.match(at(2_300_000, 2_302_000) ?? "", /of 2300 MHz, here is one of 2302 MHz/);
  assert.match(at(2_300_000, 2_298_000) ?? "", /of 2300 MHz, here is one of 2298 MHz/);
  assert.match(at(2_300_000) ?? "", /of 2300 MHz, here is none/);
  assert.equal(at(null, 2_300_000), null, "one that counts ticks goes on everywhere");
});
