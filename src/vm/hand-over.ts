/**
 * A copy that takes its memory from the running VM itself, which stands still until it has it: the memory is copied once, while the
 * copy's monitor starts, and never written to the disk.
 */
import type { FileHandle } from "node:fs/promises";
import { allDone } from "../core/all-done.ts";
import type { Work } from "../core/stage.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import { vmDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import type { SavedState } from "../vmm/driver.ts";
import { stoodStillFor, whileStill } from "./capture.ts";
import type { VmContext } from "./context.ts";
import { type CopyRequest, copyVm } from "./copy.ts";
import { deleteVm } from "./delete.ts";
import type { LiveVm } from "./live-vm.ts";
import { stateDiskFile } from "./state-disk-file.ts";

/**
 * @param memory of the VM's machine; the caller closes it
 * @param folder an empty one, for the devices
 * @throws as `whileStill` and `copyVm`; there is no copy then
 */
export async function handOver(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm,
  request: CopyRequest,
  { memory, folder }: { readonly memory: FileHandle; readonly folder: string },
  work: Work,
): Promise<VmRecord> {
  const disk = (id: string) => stateDiskFile(vmDirectory(context.paths, id));
  const taken = Promise.withResolvers<void>();
  let still: Promise<void> | undefined;
  const machine = () =>
    new Promise<SavedState>((resolve, reject) => {
      still = whileStill(context, vm, live, work, async () => {
        await allDone([
          live.machine.saveState(folder, work.signal, "memory"),
          cloneStateDisk(disk(vm.id), disk(request.id), work.signal),
        ]);
        resolve({ folder, memory, onTaken: taken.resolve });
        await taken.promise;
      }).then((ms) => work.report.stage("restoring", stoodStillFor(vm, ms)));
      still.catch(reject);
    });
  const origin = { kind: "vm", id: vm.id, name: vm.name } as const;
  const original = { blueprint: vm, origin, machine, makeDisk: async () => {} };
  const [made] = await Promise.allSettled([copyVm(context, request, original, work)]);
  taken.resolve();
  try {
    await still;
  } catch (error) {
    if (made.status === "fulfilled") await deleteVm(context, made.value, work); // the VM did not go on
    throw error; // the copy failed because of it
  }
  if (made.status === "rejected") throw made.reason;
  return made.value;
}
