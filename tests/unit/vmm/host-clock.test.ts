/** What the host's time stamp counter counts, by what its kernel tells. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type ClockFiles, timeStampCounter } from "../../../src/vmm/qemu/host-clock.ts";

const CPUINFO = "model name\t: Some CPU @ 2.40GHz\ncpu MHz\t\t: 3987.123\nbogomips\t: 4788.91\n";
const FILES: ClockFiles = {
  clocksource: "tsc\n",
  commandLine: "root=/dev/sda quiet\n",
  baseFrequency: "",
  cpuinfo: CPUINFO,
};
const counter = (change: Partial<ClockFiles> = {}) => timeStampCounter({ ...FILES, ...change });

test("where the host keeps time by it, the counter's speed is what the host's kernel measured", () => {
  assert.deepEqual(counter(), { khz: 2_394_455, reliable: true });
  assert.deepEqual(counter({ baseFrequency: "2400000\n" }), { khz: 2_394_455, reliable: true });
});

test("a counter that the host does not keep time by, or was not let measure, is not relied upon", () => {
  const nominal = { khz: 2_400_000, reliable: false };
  assert.deepEqual(counter({ clocksource: "hpet\n" }), nominal);
  assert.deepEqual(counter({ clocksource: "" }), nominal);
  assert.deepEqual(counter({ commandLine: "quiet lpj=9199992\n" }), nominal);
  assert.deepEqual(counter({ cpuinfo: "model name\t: Some CPU @ 2.40GHz\n" }), nominal);
  assert.deepEqual(counter({ cpuinfo: `${CPUINFO.replace("4788.91", "0.00")}` }), nominal);
});

test("its nominal speed is not the speed of the moment", () => {
  const unreliable = { clocksource: "hpet\n" };
  const khz = (change: Partial<ClockFiles>) => counter({ ...unreliable, ...change })?.khz ?? null;
  assert.equal(khz({ baseFrequency: "2600000\n" }), 2_600_000);
  assert.equal(khz({}), 2_400_000);
  assert.equal(khz({ cpuinfo: "model name\t: Some CPU\ncpu MHz\t\t: 2599.998\n" }), 2_599_998);
  assert.equal(khz({ cpuinfo: "" }), null);
});
