/** Snapshots of VMs: memory and disk of one that runs or is paused, the disk of one that is stopped. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { newId } from "../core/ids.ts";
import type { Work } from "../core/stage.ts";
import { digHoles } from "../disk/dig-holes.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import { vmDirectory } from "../host/paths.ts";
import { processor } from "../host/processor.ts";
import { describeFiles } from "../snapshots/files.ts";
import { DISK, type Manifest, MEMORY } from "../snapshots/manifest.ts";
import type { VmRecord } from "../store/vms.ts";
import { requireFeatures } from "../vmm/features.ts";
import { captureVm, requireRoom } from "./capture.ts";
import type { VmContext } from "./context.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { requireState } from "./states.ts";

/**
 * Makes a snapshot; the VM goes on. Listed only when it is whole.
 * @throws vm_wrong_state | snapshot_name_taken | driver_unavailable | no_space, before anything is made, and driver_failed |
 *   operation_cancelled; nothing is left then, and the VM is as it was
 */
export async function snapshotVm(
  context: VmContext,
  vm: VmRecord,
  name: string,
  work: Work,
): Promise<Manifest> {
  requireState(vm, ["running", "paused", "stopped"], "running or stopped");
  const machine = vm.state === "stopped" ? null : await savedMachine(context, vm);
  await requireRoom(context, vm, context.live.get(vm.id) ?? null, 1);
  return context.supplies.use(() =>
    context.snapshots.add(name, async (folder) => {
      const stoodStillMs = await fill(context, vm, folder, work);
      const files = await describeFiles(folder, work);
      work.signal.throwIfAborted();
      return {
        layout: 1,
        id: newId("sn"),
        name,
        createdAt: new Date().toISOString(),
        vm: { id: vm.id, name: vm.name },
        parent: vm.origin?.kind === "snapshot" ? vm.origin.name : null,
        image: { name: vm.imageName, digest: vm.imageDigest },
        kernel: { name: vm.kernelName, digest: vm.kernelDigest, release: vm.kernelRelease },
        driver: vm.driver,
        vcpu: vm.vcpu,
        memoryMib: vm.memoryMib,
        diskBytes: vm.diskBytes,
        nested: vm.nested,
        nat: vm.nat,
        machine,
        stoodStillMs,
        files,
      };
    }),
  );
}

/** @throws driver_unavailable */
async function savedMachine(context: VmContext, vm: VmRecord): Promise<Manifest["machine"]> {
  const { driver, status } = await context.drivers.select(vm.driver);
  requireFeatures(driver, ["snapshot"]);
  const { version, accelerator, counterKhz = null } = status;
  return { version, accelerator, processor: processor(), counterKhz };
}

/** @returns how long the VM stood still */
async function fill(context: VmContext, vm: VmRecord, folder: string, work: Work): Promise<number> {
  const disk = join(folder, DISK);
  const live = context.live.get(vm.id);
  if (live) {
    const memory = join(folder, MEMORY);
    await mkdir(memory, { mode: 0o700 });
    const stoodStillMs = await captureVm(context, vm, live, { memory, disk }, work);
    await digHoles(memory, work.signal);
    return stoodStillMs;
  }
  work.report.stage("copying the disk");
  await cloneStateDisk(stateDiskFile(vmDirectory(context.paths, vm.id)), disk, work.signal);
  return 0;
}
