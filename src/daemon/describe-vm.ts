/** A VM as clients see it. */
import { stat } from "node:fs/promises";
import type { BootTimings, PublishedPort, Vm } from "../api/schemas.ts";
import { vmDirectory } from "../host/paths.ts";
import { GUEST } from "../network/addresses.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "../vm/context.ts";
import { deadlineOf } from "../vm/deadlines.ts";
import { stateDiskFile } from "../vm/state-disk-file.ts";
import type { MachineHandle } from "../vmm/driver.ts";
import { describeDiskRate, describeNetRate } from "./rates.ts";
import { describeWorkspace } from "./workspace-service.ts";

/** The wire form of a record. */
export async function describeVm(context: VmContext, record: VmRecord): Promise<Vm> {
  const handle = record.machine as MachineHandle | null;
  const disk = await stat(stateDiskFile(vmDirectory(context.paths, record.id))).catch(() => null);
  const workspace = context.workspaces.get(record.id);
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  const deadline = deadlineOf(record, context.config.auto_stop_after);
  const boot: BootTimings | null = record.boot && {
    init_ms: record.boot.initMs,
    root_ms: record.boot.rootMs,
    agent_ms: record.boot.agentMs,
    ready_ms: record.boot.readyMs,
    attempts: record.boot.attempts,
  };
  return {
    id: record.id,
    name: record.name,
    state: record.state,
    reason: record.reason,
    image: { name: record.imageName, digest: record.imageDigest },
    kernel: { name: record.kernelName, digest: record.kernelDigest, release: record.kernelRelease },
    driver: record.driver,
    accelerator: handle?.accelerator ?? null,
    vcpu: record.vcpu,
    memory_mib: record.memoryMib,
    disk_bytes: record.diskBytes,
    disk_used_bytes: (disk?.blocks ?? 0) * 512,
    nested: record.nested,
    nat: record.nat,
    nat_problem: context.nats.problem(record.id),
    ip: record.nat && record.state === "running" ? GUEST.address : null,
    disk_rate: describeDiskRate(record.diskRate),
    net_rate: describeNetRate(record.netRate),
    publish: describePorts(context, record),
    auto_remove: record.autoRemove,
    ttl_ms: record.ttlMs,
    stops_at: time(deadline?.at ?? null),
    stops_because: deadline?.why ?? null,
    created_at: new Date(record.createdAt).toISOString(),
    started_at: time(record.startedAt),
    origin: record.origin,
    start: record.start,
    boot_id: record.bootId,
    boot,
    pid: handle?.pid ?? null,
    workspace: workspace && describeWorkspace(workspace),
  };
}

/** The ports that a VM publishes, on the wire. */
export function describePorts(context: VmContext, record: VmRecord): PublishedPort[] {
  const ports = context.ports.describe(record.id, record.publish);
  return ports.map(({ address, hostPort, guestPort, problem }) => ({
    address,
    host_port: hostPort,
    guest_port: guestPort,
    problem,
  }));
}
