import assert from "node:assert/strict";
import { test } from "node:test";
import { GIB } from "../../../src/core/units.ts";
import { resolveVmDefaults } from "../../../src/core/vm-defaults.ts";

const host = (cpus: number, memoryGib: number) => ({ cpus, memoryBytes: memoryGib * GIB });

test("each size is the configured one, else a share of the host, else the floor", () => {
  const small = resolveVmDefaults({}, host(2, 8));
  assert.deepEqual(small, {
    vcpu: { value: 2, origin: "builtin" },
    memoryMib: { value: 2048, origin: "builtin" },
    diskBytes: { value: 8 * GIB, origin: "builtin" },
  });
  const large = resolveVmDefaults({}, host(64, 256));
  assert.deepEqual(large.vcpu, { value: 4, origin: "auto" });
  assert.deepEqual(large.memoryMib, { value: 8192, origin: "auto" });
  const middle = resolveVmDefaults({}, host(12, 32));
  assert.deepEqual(middle.vcpu, { value: 3, origin: "auto" });
  assert.deepEqual(middle.memoryMib, { value: 4096, origin: "auto" });
  const configured = resolveVmDefaults({ vcpu: 7, diskBytes: GIB }, host(64, 256));
  assert.deepEqual(configured.vcpu, { value: 7, origin: "config" });
  assert.deepEqual(configured.diskBytes, { value: GIB, origin: "config" });
  assert.equal(configured.memoryMib.origin, "auto");
});

test("a host with one CPU gets VMs with one", () => {
  assert.deepEqual(resolveVmDefaults({}, host(1, 4)).vcpu, { value: 1, origin: "builtin" });
});
