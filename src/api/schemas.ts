/**
 * The contract between clients and the daemon: one schema per thing that crosses the socket. Types are derived from the
 * schemas; docs/openapi.json is generated from them and tested to be current. Field names are snake_case on the wire and stable.
 */
import { z } from "zod";
import { GIB, MIB } from "../core/units.ts";

const timestamp = z.iso.datetime().describe("UTC, ISO 8601");
const bytes = z.int().nonnegative();
const milliseconds = z.int().nonnegative();

export const LIMITS = {
  vcpu: { min: 1, max: 64 },
  memoryMib: { min: 128, max: 1024 * 1024 },
  diskBytes: { min: 256 * MIB, max: 16 * 1024 * GIB },
} as const;

export const errorBody = z
  .object({
    code: z.string().describe("stable name, see docs/errors.md"),
    message: z.string(),
    hint: z.string().describe("what to do next"),
    exit: z.int().describe("exit code a command ends with"),
    details: z.record(z.string(), z.unknown()).optional(),
    operation: z.string().optional(),
  })
  .meta({ id: "Error" });

export const vmState = z
  .enum(["creating", "stopped", "starting", "running", "stopping", "paused", "error"])
  .meta({ id: "VmState" });

export const bootTimings = z
  .object({
    init_ms: milliseconds.describe("kernel start to our init, guest clock"),
    root_ms: milliseconds.describe("kernel start to the assembled root, guest clock"),
    agent_ms: milliseconds.describe("kernel start to the agent's hello, guest clock"),
    ready_ms: milliseconds.describe("launch of the monitor to ready, host clock"),
    attempts: z.int().positive().describe("2 when the first boot hung and was retried"),
  })
  .meta({ id: "BootTimings" });

const storeRef = z.object({ name: z.string(), digest: z.string() });

export const vm = z
  .object({
    id: z.string(),
    name: z.string(),
    state: vmState,
    reason: z.string().nullable().describe("why it is in this state, when there is something to say"),
    image: storeRef,
    kernel: storeRef.extend({ release: z.string() }),
    driver: z.string(),
    accelerator: z.enum(["kvm", "tcg"]).nullable().describe("null until first started"),
    vcpu: z.int(),
    memory_mib: z.int(),
    disk_bytes: bytes,
    disk_used_bytes: bytes.describe("blocks that the disk takes on the host"),
    nested: z.boolean(),
    auto_remove: z.boolean().describe("deleted when the client that made it is done (--rm)"),
    created_at: timestamp,
    started_at: timestamp.nullable(),
    boot_id: z.string().nullable(),
    boot: bootTimings.nullable(),
    pid: z.int().nullable().describe("monitor process"),
  })
  .meta({ id: "Vm" });

export const waitFor = z.enum(["agent", "system", "none"]).meta({
  id: "WaitFor",
  description: "agent: commands can run; system: the image's init has finished starting; none: do not wait",
});

export const createVm = z
  .strictObject({
    name: z.string().optional().describe("DNS label; a two-word name is made when absent"),
    image: z.string().min(1).max(512).optional(),
    kernel: z.string().min(1).max(128).optional(),
    driver: z.enum(["auto", "qemu"]).optional(),
    vcpu: z.int().min(LIMITS.vcpu.min).max(LIMITS.vcpu.max),
    memory_mib: z.int().min(LIMITS.memoryMib.min).max(LIMITS.memoryMib.max),
    disk_bytes: z.int().min(LIMITS.diskBytes.min).max(LIMITS.diskBytes.max),
    nested: z.boolean().optional(),
    start: z.boolean().optional().describe("default true"),
    wait: waitFor.optional(),
    auto_remove: z.boolean().optional(),
    lease: z
      .string()
      .optional()
      .describe(
        "from GET /v1/lease: when that connection ends, a creation under way is undone and an auto_remove VM is deleted",
      ),
  })
  .meta({ id: "CreateVm" });

export const startVm = z.strictObject({ wait: waitFor.optional() }).meta({ id: "StartVm" });

export const stopVm = z
  .strictObject({
    timeout_ms: z
      .int()
      .min(0)
      .max(3_600_000)
      .optional()
      .describe("bound of the orderly power-off, default 30000; 0 = kill at once"),
  })
  .meta({ id: "StopVm" });

export const operationState = z.enum(["running", "succeeded", "failed", "cancelled"]);

export const stage = z
  .object({
    name: z.string(),
    detail: z.string().nullable(),
    started_at: timestamp,
    took_ms: milliseconds.nullable().describe("null while under way"),
  })
  .meta({ id: "Stage" });

export const progress = z
  .object({
    done: z.number().nonnegative(),
    total: z.number().nonnegative().optional(),
    unit: z.enum(["bytes", "items"]),
  })
  .meta({ id: "Progress" });

export const operation = z
  .object({
    id: z.string(),
    kind: z.enum(["create", "start", "stop", "delete", "image_pull", "kernel_pull"]),
    target: z.string().describe("id of the VM, or name of the image or kernel"),
    state: operationState,
    stages: z.array(stage),
    progress: progress.nullable(),
    notices: z.array(z.string()),
    error: errorBody.nullable(),
    created_at: timestamp,
    ended_at: timestamp.nullable(),
  })
  .meta({ id: "Operation" });

/** One server-sent event of `GET /v1/operations/{id}/events`: the whole story so far is replayed first. */
export const operationEvent = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("stage"), name: z.string(), detail: z.string().nullable() }),
    z.object({ type: z.literal("progress"), progress }),
    z.object({ type: z.literal("notice"), text: z.string() }),
    z.object({ type: z.literal("end"), operation }),
  ])
  .meta({ id: "OperationEvent" });

export const image = z
  .object({
    name: z.string(),
    digest: z.string().nullable().describe("null: can be obtained, not here yet"),
    source: z.string(),
    size_bytes: bytes.nullable(),
    created_at: timestamp.nullable(),
    used_by: z.array(z.string()).describe("names of VMs"),
  })
  .meta({ id: "Image" });

export const kernel = z
  .object({
    name: z.string(),
    digest: z.string().nullable(),
    release: z.string().nullable(),
    source: z.string(),
    size_bytes: bytes.nullable(),
    created_at: timestamp.nullable(),
    used_by: z.array(z.string()),
  })
  .meta({ id: "Kernel" });

export const pull = z.strictObject({ name: z.string().min(1).max(512) }).meta({ id: "Pull" });

export const daemonStatus = z
  .object({
    version: z.string(),
    api: z.int().describe("number of the API, 1"),
    pid: z.int(),
    uptime_ms: milliseconds,
    node: z.string(),
    rss_bytes: bytes,
    state_directory: z.string(),
    vms: z.object({ total: z.int(), running: z.int() }),
    driver: z.object({ name: z.string(), usable: z.boolean(), detail: z.string() }),
  })
  .meta({ id: "DaemonStatus" });

export const vmStats = z
  .object({
    uptime_ms: milliseconds,
    cpu_busy_ticks: z.int(),
    cpu_total_ticks: z.int(),
    load1: z.number(),
    processes: z.int(),
    memory_total_bytes: bytes,
    memory_available_bytes: bytes,
    host_rss_bytes: bytes,
    disk_total_bytes: bytes,
    disk_used_bytes: bytes,
    disk_read_bytes: bytes,
    disk_written_bytes: bytes,
    net_rx_bytes: bytes,
    net_tx_bytes: bytes,
  })
  .meta({ id: "VmStats" });

export const guestProcess = z
  .object({
    proc: z.int().describe("the agent's id, never reused in a boot"),
    pid: z.int(),
    argv: z.array(z.string()),
    user: z.string(),
    label: z.string(),
    pty: z.boolean(),
    running: z.boolean(),
    attached: z.boolean(),
    code: z.int().nullable(),
    signal: z.int().nullable(),
    started_at: timestamp,
  })
  .meta({ id: "GuestProcess" });

export const fileEntry = z
  .object({
    name: z.string(),
    type: z.enum(["file", "dir", "symlink", "fifo", "socket", "char", "block"]),
    mode: z.int(),
    uid: z.int(),
    gid: z.int(),
    size: bytes,
    mtime: timestamp,
    target: z.string().nullable().describe("of a symlink"),
  })
  .meta({ id: "FileEntry" });

export const moveFile = z
  .strictObject({ from: z.string().min(1), to: z.string().min(1), replace: z.boolean().optional() })
  .meta({ id: "MoveFile" });

export const fileEvent = z
  .object({
    path: z.string(),
    kind: z.enum(["create", "modify", "delete", "move_from", "move_to", "attrib", "overflow"]),
    directory: z.boolean(),
  })
  .meta({ id: "FileEvent" });

export type Vm = z.infer<typeof vm>;
export type VmState = z.infer<typeof vmState>;
export type BootTimings = z.infer<typeof bootTimings>;
export type WaitFor = z.infer<typeof waitFor>;
export type CreateVm = z.infer<typeof createVm>;
export type StopVm = z.infer<typeof stopVm>;
export type Operation = z.infer<typeof operation>;
export type OperationEvent = z.infer<typeof operationEvent>;
export type Image = z.infer<typeof image>;
export type Kernel = z.infer<typeof kernel>;
export type DaemonStatus = z.infer<typeof daemonStatus>;
export type VmStats = z.infer<typeof vmStats>;
export type GuestProcess = z.infer<typeof guestProcess>;
export type FileEntry = z.infer<typeof fileEntry>;
export type FileEvent = z.infer<typeof fileEvent>;
