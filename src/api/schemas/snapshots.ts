/** Snapshots: what they are of, what they need, what is made of them. */
import { z } from "zod";
import { bytes, milliseconds, storeRef, timestamp } from "./common.ts";
import { hostPath } from "./images.ts";
import { publishPorts } from "./ports.ts";
import { LIMITS, waitFor } from "./vms.ts";

export const snapshot = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: z
      .enum(["memory", "disk"])
      .describe("memory: of a VM that ran, with its disk; disk: of a stopped one"),
    created_at: timestamp,
    vm: z.object({ id: z.string(), name: z.string() }).describe("the VM that it was made of; it may be gone"),
    parent: z.string().nullable().describe("the snapshot that this VM was made of"),
    image: storeRef,
    kernel: storeRef.extend({ release: z.string() }),
    driver: z.string(),
    driver_version: z.string().nullable().describe("null: a disk alone does not depend on it"),
    accelerator: z.enum(["kvm", "tcg"]).nullable(),
    processor: z.string().nullable().describe("of the host that it was made on"),
    vcpu: z.int(),
    memory_mib: z.int(),
    disk_bytes: bytes,
    nested: z.boolean(),
    nat: z.boolean(),
    size_bytes: bytes.describe("blocks that it takes on the disk"),
    stood_still_ms: milliseconds.describe("how long the VM stood still for it"),
    files: z.array(z.object({ name: z.string(), size: bytes, digest: z.string() })),
  })
  .meta({ id: "Snapshot" });

const name = z.string().max(63).describe("a DNS label");

export const createSnapshot = z
  .strictObject({ name: name.optional().describe("default: the VM's name and the time") })
  .meta({ id: "CreateSnapshot" });

/** Most copies of one fork. */
export const MAX_COPIES = 32;

export const restoreSnapshot = z
  .strictObject({
    name: name.optional().describe("of the new VM; a two-word name is made when absent"),
    publish: publishPorts.optional(),
    wait: waitFor.optional(),
    auto_remove: z.boolean().optional(),
    ttl_ms: z.int().min(LIMITS.ttlMs.min).max(LIMITS.ttlMs.max).optional(),
    lease: z.string().optional().describe("as for CreateVm"),
  })
  .meta({ id: "RestoreSnapshot" });

export const forkVm = z
  .strictObject({
    count: z.int().min(1).max(MAX_COPIES).optional().describe("default 1"),
    name: name
      .optional()
      .describe("of the copy; of several NAME-1, NAME-2 …; default: the VM's name, numbered"),
    wait: waitFor.optional(),
  })
  .meta({ id: "ForkVm" });

export const forkedVms = z
  .object({ vms: z.array(z.string()).describe("ids of the copies, in the order of their names") })
  .meta({ id: "ForkedVms" });

export const exportSnapshot = z.strictObject({ path: hostPath }).meta({ id: "ExportSnapshot" });

export const importSnapshot = z
  .strictObject({ path: hostPath, name: name.optional().describe("default: the name that it had") })
  .meta({ id: "ImportSnapshot" });

export const madeSnapshot = z
  .object({ snapshot: z.string().describe("its id") })
  .meta({ id: "MadeSnapshot" });

export type Snapshot = z.infer<typeof snapshot>;
export type CreateSnapshot = z.infer<typeof createSnapshot>;
export type RestoreSnapshot = z.infer<typeof restoreSnapshot>;
export type ForkVm = z.infer<typeof forkVm>;
export type ImportSnapshot = z.infer<typeof importSnapshot>;
