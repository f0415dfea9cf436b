/** VMs: what they are, how they are made, started and stopped, what they use. */
import { z } from "zod";
import { KILL_SIGNALS } from "../../core/signals.ts";
import { GIB, MIB } from "../../core/units.ts";
import { bytes, milliseconds, storeRef, timestamp } from "./common.ts";
import { publishedPort, publishPorts } from "./ports.ts";
import { diskRate, netRate } from "./rates.ts";
import { prepareWorkspace, workspace } from "./workspaces.ts";

export const LIMITS = {
  vcpu: { min: 1, max: 64 },
  memoryMib: { min: 128, max: 1024 * 1024 },
  diskBytes: { min: 256 * MIB, max: 16 * 1024 * GIB },
  ttlMs: { min: 1000, max: 365 * 86_400_000 },
} as const;

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
    nat: z.boolean().describe("outbound network"),
    nat_problem: z.string().nullable().describe("why a running VM with nat has no outbound network"),
    ip: z
      .ipv4()
      .nullable()
      .describe("a running guest's own address; with nat the same in every VM; null when it has no network"),
    disk_rate: diskRate.nullable().describe("how fast it may use its disk"),
    net_rate: netRate.nullable().describe("how fast it may use its network"),
    publish: z.array(publishedPort),
    auto_remove: z.boolean().describe("deleted when the client that made it is done (--rm)"),
    ttl_ms: milliseconds.nullable().describe("how long after each start it is stopped (--ttl)"),
    stops_at: timestamp.nullable().describe("when it will be stopped, as things are"),
    stops_because: z
      .enum(["ttl", "idle"])
      .nullable()
      .describe("ttl: its lifetime is over then; idle: nobody uses it (auto_stop_after)"),
    created_at: timestamp,
    started_at: timestamp.nullable(),
    origin: z
      .object({ kind: z.enum(["snapshot", "vm"]), id: z.string(), name: z.string() })
      .nullable()
      .describe(
        "the snapshot that it was restored from, or the VM that it was forked from; may be gone since",
      ),
    start: z
      .enum(["cold", "warm", "restored"])
      .nullable()
      .describe("how it came up last: by a boot, from a template kept ready, from a snapshot or another VM"),
    boot_id: z.string().nullable().describe("that of the boot it comes from, when it was not booted itself"),
    boot: bootTimings.nullable(),
    pid: z.int().nullable().describe("monitor process"),
    workspace: workspace.nullable(),
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
    driver: z.enum(["auto", "firecracker", "qemu"]).optional(),
    vcpu: z.int().min(LIMITS.vcpu.min).max(LIMITS.vcpu.max),
    memory_mib: z.int().min(LIMITS.memoryMib.min).max(LIMITS.memoryMib.max),
    disk_bytes: z.int().min(LIMITS.diskBytes.min).max(LIMITS.diskBytes.max),
    cold: z.boolean().optional().describe("boot it, even if it could start from a template kept ready"),
    nested: z.boolean().optional(),
    nat: z.boolean().optional().describe("outbound network; default false: none at all"),
    disk_rate: diskRate.optional().describe("how fast it may use its own disk; absent: as fast as it goes"),
    net_rate: netRate.optional().describe("how fast it may use the network that nat gives it"),
    publish: publishPorts.optional().describe("ports of the host that lead into the guest while it runs"),
    start: z.boolean().optional().describe("default true"),
    wait: waitFor.optional(),
    auto_remove: z.boolean().optional(),
    workspace: prepareWorkspace
      .optional()
      .describe("a repository to bring in once commands can run; when that fails the VM is deleted"),
    ttl_ms: z
      .int()
      .min(LIMITS.ttlMs.min)
      .max(LIMITS.ttlMs.max)
      .optional()
      .describe("stopped that long after each start; with auto_remove deleted"),
    lease: z
      .string()
      .optional()
      .describe(
        "from GET /v1/lease: when that connection ends, a creation under way is undone and an auto_remove VM is deleted",
      ),
  })
  .meta({ id: "CreateVm" });

export const startVm = z
  .strictObject({
    wait: waitFor.optional(),
    cold: z.boolean().optional().describe("boot a VM that never ran, even if it could start from a template"),
  })
  .meta({ id: "StartVm" });

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

export const restartVm = stopVm.extend({ wait: waitFor.optional() }).meta({ id: "RestartVm" });

export const killVm = z
  .strictObject({
    signal: z
      .enum(KILL_SIGNALS)
      .optional()
      .describe("sent to the monitor; default KILL, which it cannot refuse. The guest is not asked"),
  })
  .meta({ id: "KillVm" });

export const setVm = z
  .strictObject({
    name: z.string().optional().describe("a DNS label; a running guest's hostname follows at once"),
    vcpu: z.int().min(LIMITS.vcpu.min).max(LIMITS.vcpu.max).optional().describe("only while it does not run"),
    memory_mib: z
      .int()
      .min(LIMITS.memoryMib.min)
      .max(LIMITS.memoryMib.max)
      .optional()
      .describe("only while it does not run"),
    disk_bytes: z
      .int()
      .min(LIMITS.diskBytes.min)
      .max(LIMITS.diskBytes.max)
      .optional()
      .describe("at least the present size, rounded up to whole MiB; a running guest has the room at once"),
    nat: z.boolean().optional().describe("outbound network; a running guest has or loses it at once"),
    disk_rate: diskRate.nullable().optional().describe("null: no limit; only while it does not run"),
    net_rate: netRate.nullable().optional().describe("null: no limit; only while it does not run"),
  })
  .meta({ id: "SetVm" });

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

export type VmState = z.infer<typeof vmState>;
export type BootTimings = z.infer<typeof bootTimings>;
export type Vm = z.infer<typeof vm>;
export type WaitFor = z.infer<typeof waitFor>;
export type CreateVm = z.infer<typeof createVm>;
export type StartVm = z.infer<typeof startVm>;
export type StopVm = z.infer<typeof stopVm>;
export type RestartVm = z.infer<typeof restartVm>;
export type KillVm = z.infer<typeof killVm>;
export type SetVm = z.infer<typeof setVm>;
export type VmStats = z.infer<typeof vmStats>;
