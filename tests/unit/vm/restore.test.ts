/** Whether a saved machine can go on here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mismatch } from "../../../src/vm/restore.ts";

const machine = { version: "QEMU 7.2.22", accelerator: "tcg", processor: "Xeon" } as const;

test("a machine goes on with the same monitor, accelerator and processor only, and the reason is told", () => {
  const here = { version: machine.version, accelerator: machine.accelerator };
  assert.equal(mismatch(machine, here, "Xeon"), null);
  assert.match(mismatch(machine, { ...here, version: "QEMU 8.0" }, "Xeon") ?? "", /7\.2\.22 .* 8\.0/);
  assert.match(mismatch(machine, { ...here, accelerator: "kvm" }, "Xeon") ?? "", /tcg, this host uses kvm/);
  assert.match(mismatch(machine, here, "EPYC") ?? "", /Xeon, this is EPYC/);
});
