/** Makes a VM: image and kernel obtained, record and disk made. Everything is taken back when a step fails. */
import { mkdir, rm } from "node:fs/promises";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import { newId, newName } from "../core/ids.ts";
import type { PortMapping } from "../core/port-mapping.ts";
import type { RateLimit } from "../core/rate-limit.ts";
import type { Work } from "../core/stage.ts";
import { GIB, MIB } from "../core/units.ts";
import type { HostSize } from "../core/vm-defaults.ts";
import { vmDirectory } from "../host/paths.ts";
import { requireTools } from "../host/tools.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { UndoStack } from "./undo.ts";

export interface CreateRequest {
  readonly id: string;
  /** Absent: a free two-word name is chosen. */
  readonly name: string | undefined;
  readonly image: string;
  /** Absent: the one that the image is made for, else the default. */
  readonly kernel: string | undefined;
  readonly driver: string;
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly diskBytes: number;
  readonly nested: boolean;
  readonly nat: boolean;
  readonly diskRate: RateLimit | null;
  readonly netRate: RateLimit | null;
  readonly publish: readonly PortMapping[];
  readonly autoRemove: boolean;
  readonly ttlMs: number | null;
}

export const newVmId = (): string => newId("vm");

/** Refuses what this host can never give. Pure. @throws resource_exceeds_host */
export function checkFitsHost(request: { vcpu: number; memoryMib: number }, host: HostSize): void {
  if (request.vcpu > host.cpus) {
    throw BangerError.of("resource_exceeds_host", {
      what: "vcpu",
      asked: request.vcpu,
      available: host.cpus,
    });
  }
  const available = Math.floor(host.memoryBytes / MIB);
  if (request.memoryMib > available) {
    throw BangerError.of("resource_exceeds_host", {
      what: "memory",
      asked: `${request.memoryMib} MiB`,
      available: `${available} MiB`,
    });
  }
}

/**
 * Creates the VM in state `stopped`. Its ports are listened on from the beginning, so that nobody takes them meanwhile; who
 * does not start it closes them.
 * @throws vm_name_taken | port_unavailable | host_packages_missing | driver_unavailable | no_space | image and kernel errors | operation_cancelled; nothing is left then
 */
export function createVm(context: VmContext, request: CreateRequest, work: Work): Promise<VmRecord> {
  return context.supplies.use(() => create(context, request, work));
}

async function create(context: VmContext, request: CreateRequest, work: Work): Promise<VmRecord> {
  if (request.name !== undefined && context.vms.hasName(request.name)) {
    throw BangerError.of("vm_name_taken", { name: request.name });
  }
  const { driver } = await context.drivers.select(request.driver, [
    ...(request.nested ? (["nested"] as const) : []),
    ...(request.nat ? (["nat"] as const) : []),
    ...(request.diskRate ? (["diskRate"] as const) : []),
    ...(request.netRate ? (["netRate"] as const) : []),
  ]);
  if (request.vcpu > driver.maxVcpu) {
    throw BangerError.of("driver_unavailable", {
      driver: driver.name,
      reason: `it gives a VM at most ${driver.maxVcpu} vcpus`,
      fix: "ask for fewer --vcpu, or choose another --driver",
    });
  }
  if (request.nat) await requireTools("nat");
  const undo = new UndoStack();
  try {
    const publish = await context.ports.open(request.id, request.publish);
    undo.push(() => context.ports.close(request.id));
    const image = await context.images.ensure(request.image, work);
    const wantedKernel = request.kernel ?? image.kernel ?? context.config.default_kernel;
    const kernel = await context.kernels.ensure(wantedKernel, work);
    await context.images.requireUnchanged(image);
    work.report.stage("creating", `${request.diskBytes / GIB}G disk`);
    const wanted: VmRecord = {
      ...NEVER_STARTED,
      id: request.id,
      name: request.name ?? "",
      imageName: image.name,
      imageDigest: image.digest,
      kernelName: kernel.name,
      kernelDigest: kernel.digest,
      kernelRelease: kernel.release,
      driver: driver.name,
      vcpu: request.vcpu,
      memoryMib: request.memoryMib,
      diskBytes: request.diskBytes,
      borrowed: false,
      origin: null,
      unsettled: false,
      nested: request.nested,
      nat: request.nat,
      diskRate: request.diskRate,
      netRate: request.netRate,
      publish,
      autoRemove: request.autoRemove,
      ttlMs: request.ttlMs,
      createdAt: Date.now(),
    };
    const standing = await context.standby.confirm(wanted);
    const record = standing
      ? { ...wanted, borrowed: standing.borrowed, machine: standing.live.machine.handle }
      : wanted;
    const makeDisk = (disk: string) => context.bootFiles.makeStateDisk(record.diskBytes, disk, work);
    const made = await placeVm(context, record, standing ? null : makeDisk, undo);
    work.signal.throwIfAborted();
    context.vms.update(made.id, { state: "stopped" });
    return { ...made, state: "stopped" };
  } catch (error) {
    for (const failure of await undo.unwind()) context.log.error({ failure }, "undoing a creation failed");
    throw error;
  }
}

/** Of a record whose VM was never started. */
export const NEVER_STARTED = {
  state: "creating",
  reason: null,
  start: null,
  idleSince: null,
  startedAt: null,
  bootId: null,
  boot: null,
  machine: null,
} as const;

/**
 * What every VM begins as: a record, a folder, a disk in it.
 * @param record without a name a free one is made up
 * @param makeDisk makes the file; null: folder and disk are there
 * @param undo learns how to take it back
 */
export async function placeVm(
  context: VmContext,
  record: VmRecord,
  makeDisk: ((file: string) => Promise<void>) | null,
  undo: UndoStack,
): Promise<VmRecord> {
  const placed = insertRecord(context, record);
  undo.push(async () => {
    context.vms.delete(record.id);
    await context.ssh.refresh();
  });
  const named = context.ssh.refresh();
  checkpoint("create.recorded");
  const directory = vmDirectory(context.paths, record.id);
  undo.push(() => rm(directory, { recursive: true, force: true }));
  if (makeDisk) {
    await mkdir(directory, { mode: 0o700 });
    checkpoint("create.folder");
    await makeDisk(stateDiskFile(directory));
  }
  await named;
  checkpoint("create.disk");
  return placed;
}

const NAME_TRIES = 50;

function insertRecord(context: VmContext, record: VmRecord): VmRecord {
  if (record.name !== "") {
    if (!context.vms.insert(record)) throw BangerError.of("vm_name_taken", { name: record.name });
    return record;
  }
  for (let attempt = 0; attempt < NAME_TRIES; attempt++) {
    // With thousands of VMs two words run out: later attempts get a number.
    const suffix = attempt < NAME_TRIES / 2 ? "" : `-${attempt}${record.id.slice(-3)}`;
    const named = { ...record, name: newName() + suffix };
    if (context.vms.insert(named)) return named;
  }
  throw BangerError.of("vm_name_taken", { name: "(made up)" });
}
