/** `vm set`: a VM's name, sizes and network. All that is asked for, or nothing; cut off anywhere, it is finished later (spec 4). */
import { truncate } from "node:fs/promises";
import { isDeepStrictEqual } from "node:util";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import { checkName } from "../core/ids.ts";
import type { Work } from "../core/stage.ts";
import { formatSize, MIB } from "../core/units.ts";
import type { HostSize } from "../core/vm-defaults.ts";
import { growStateDisk } from "../disk/state-disk.ts";
import { configure, grow } from "../guest/index.ts";
import { vmDirectory } from "../host/paths.ts";
import { requireTools } from "../host/tools.ts";
import { networkConfiguration } from "../network/addresses.ts";
import type { VmRecord } from "../store/vms.ts";
import { requireFeatures } from "../vmm/features.ts";
import type { VmContext } from "./context.ts";
import { checkFitsHost } from "./create.ts";
import type { LiveVm } from "./live-vm.ts";
import { switchNat } from "./network.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { UndoStack } from "./undo.ts";

/** What can be changed. */
export type VmSettings = Partial<
  Pick<VmRecord, "name" | "vcpu" | "memoryMib" | "diskBytes" | "nat" | "diskRate" | "netRate">
>;

/** What a monitor is started with. */
const ONLY_STOPPED = ["vcpu", "memoryMib", "diskRate", "netRate"] as const;

const SETTINGS = "--name, --vcpu, --memory, --disk-size, --nat, --disk-rate, --net-rate";

/**
 * What of the settings differs from the VM; the disk size in whole MiB. Pure.
 * @throws invalid_argument | vm_wrong_state | resource_exceeds_host, with what is accepted
 */
export function settingsToChange(vm: VmRecord, settings: VmSettings, host: HostSize): VmSettings {
  if (Object.keys(settings).length === 0) {
    throw refused("nothing to change", `accepted: ${SETTINGS}`);
  }
  const wanted: VmSettings = {
    ...settings,
    ...(settings.diskBytes !== undefined && { diskBytes: Math.ceil(settings.diskBytes / MIB) * MIB }),
  };
  const names = Object.keys(wanted) as (keyof VmSettings)[];
  const change: VmSettings = Object.fromEntries(
    names.filter((name) => !isDeepStrictEqual(wanted[name], vm[name])).map((name) => [name, wanted[name]]),
  );
  if (change.name !== undefined) checkName(change.name);
  if (change.diskBytes !== undefined && change.diskBytes < vm.diskBytes) {
    throw refused(
      `a disk cannot be made smaller than it is (${formatSize(vm.diskBytes)})`,
      `accepted: --disk-size of at least ${formatSize(vm.diskBytes)}`,
    );
  }
  checkFitsHost({ vcpu: change.vcpu ?? 1, memoryMib: change.memoryMib ?? 1 }, host);
  const machine = ONLY_STOPPED.some((name) => change[name] !== undefined);
  const states = machine ? ["stopped", "error"] : ["stopped", "error", "running"];
  if (states.includes(vm.state)) return change;
  throw BangerError.of("vm_wrong_state", {
    name: vm.name,
    state: vm.state,
    wanted: machine ? "stopped (for --vcpu, --memory, --disk-rate and --net-rate)" : "running or stopped",
    hint: `banger vm ${vm.state === "paused" && !machine ? "resume" : "stop"} ${vm.name}`,
  });
}

const refused = (problem: string, accepted: string) =>
  BangerError.of("invalid_argument", { what: "vm set", problem, accepted });

/**
 * Carries out what `settingsToChange` returned. The record is written first, marked as unsettled: whoever finds it so after
 * a crash finishes the work (`settleGuest`, `startVm`).
 * @throws driver_unavailable | vm_name_taken | no_space | nat_failed | host_packages_missing | guest errors; nothing is changed then, except that a disk whose guest has seen the new
 *   size keeps it: its filesystem grows at the next start
 */
export async function setVm(context: VmContext, vm: VmRecord, change: VmSettings, work: Work): Promise<void> {
  if (Object.keys(change).length === 0) return;
  requireFeatures(context.drivers.byName(vm.driver), [
    ...(change.nat ? (["nat"] as const) : []),
    ...(change.diskRate ? (["diskRate"] as const) : []),
    ...(change.netRate ? (["netRate"] as const) : []),
  ]);
  const live = context.live.get(vm.id);
  const session = live && (await live.guest()); // one that cannot be asked is told before anything is changed
  if (change.nat)
    await Promise.all([
      requireTools("nat"),
      context.drivers.select(vm.driver, ["nat"]),
      context.readConfig(),
    ]);
  const undo = new UndoStack();
  try {
    const former = Object.fromEntries(Object.keys(change).map((key) => [key, vm[key as keyof VmSettings]]));
    context.vms.update(vm.id, { ...change, unsettled: true });
    undo.push(() => context.vms.update(vm.id, { ...former, unsettled: vm.unsettled }));
    checkpoint("set.recorded");
    if (session && change.name !== undefined) {
      work.report.stage("renaming", change.name);
      undo.push(() => configure(session, { hostname: vm.name }));
      await configure(session, { hostname: change.name });
      checkpoint("set.renamed");
    }
    if (session && change.nat !== undefined) {
      work.report.stage("network", change.nat ? "nat" : "none");
      undo.push(() => switchNat(context, vm, session, vm.nat));
      await switchNat(context, vm, session, change.nat);
    }
    if (change.diskBytes !== undefined) {
      work.report.stage("growing the disk", `to ${formatSize(change.diskBytes)}`);
      await growDisk(context, { ...vm, diskBytes: change.diskBytes }, live, undo);
    }
  } catch (error) {
    for (const failure of await undo.unwind()) context.log.error({ failure }, "undoing a change failed");
    throw error;
  }
  // Without a guest the filesystem is still to be grown.
  const settled = live !== undefined || (change.diskBytes === undefined && !vm.unsettled);
  context.vms.update(vm.id, { unsettled: !settled });
  if (change.name !== undefined) await context.ssh.tidy();
}

/** Makes a running guest what its record says, whatever part of a `setVm` was done before it was cut off. */
export async function settleGuest(context: VmContext, vm: VmRecord, live: LiveVm): Promise<void> {
  await configure(await live.guest(), {
    hostname: vm.name,
    ...(await networkConfiguration(vm.nat, context.config.default_dns)),
  });
  await growDisk(context, vm, live, new UndoStack());
  context.vms.update(vm.id, { unsettled: false });
}

/** Brings the disk's file, the running machine's view of it, and the filesystem to the record's size. Each step can be repeated. */
async function growDisk(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm | undefined,
  undo: UndoStack,
): Promise<void> {
  const file = stateDiskFile(vmDirectory(context.paths, vm.id));
  const { former } = await growStateDisk(file, vm.diskBytes);
  undo.push(() => truncate(file, former));
  checkpoint("set.file");
  if (!live) return;
  await live.machine.stateDiskResized(vm.diskBytes);
  undo.forget(); // the guest may use the room from here on
  checkpoint("set.device");
  await grow(await live.guest(), vm.diskBytes);
  checkpoint("set.grown");
}
