/** VM records for tests that need one and care about few of its fields. */
import type { VmRecord } from "../../src/store/vms.ts";

export function vmRecord(change: Partial<VmRecord> = {}): VmRecord {
  return {
    id: "vm-0000000001",
    name: "brisk-otter",
    state: "stopped",
    reason: null,
    imageName: "debian-slim",
    imageDigest: "a".repeat(64),
    kernelName: "debian-cloud",
    kernelDigest: "b".repeat(64),
    kernelRelease: "6.1.0-1-cloud-amd64",
    driver: "qemu",
    vcpu: 2,
    memoryMib: 2048,
    diskBytes: 8 * 1024 ** 3,
    borrowed: false,
    start: null,
    origin: null,
    unsettled: false,
    nested: false,
    nat: false,
    diskRate: null,
    netRate: null,
    publish: [],
    autoRemove: false,
    ttlMs: null,
    idleSince: null,
    createdAt: 1_700_000_000_000,
    startedAt: null,
    bootId: null,
    boot: null,
    machine: null,
    ...change,
  };
}
