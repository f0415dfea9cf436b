import assert from "node:assert/strict";
import { test } from "node:test";
import type { VmRecord } from "../../../src/store/vms.ts";
import { warmKey } from "../../../src/vm/warm-templates.ts";
import type { LaunchSpec } from "../../../src/vmm/driver.ts";
import type { Selected } from "../../../src/vmm/drivers.ts";

test("a template that was made where a guest can have no network, or keeps time otherwise, is not the one of here", () => {
  const vm = { driver: "firecracker", imageDigest: "image", kernelDigest: "kernel" } as VmRecord;
  const spec = {
    initramfs: "/cache/initramfs",
    kernelArgs: [],
    accelerator: "kvm",
  } as unknown as LaunchSpec;
  const status: Selected["status"] = { usable: true, version: "1.17.0", accelerator: "kvm", why: "" };
  const key = (more: Partial<typeof status>) =>
    warmKey(vm, spec, { status: { ...status, ...more }, publicKey: null });
  assert.equal(key({ why: "told otherwise" }), key({}));
  assert.notEqual(key({ lacks: { nat: "/dev/net/tun cannot be opened" } }), key({}));
  assert.notEqual(key({ counterKhz: 2_300_000 }), key({}));
  assert.notEqual(key({ counterKhz: 2_300_000 }), key({ counterKhz: 2_400_000 }));
});
