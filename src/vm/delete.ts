/** Deletes a VM: monitor, folder, record. Safe to be cut off anywhere: reconcile finishes it. */
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import { vmDirectory, workspaceDirectory } from "../host/paths.ts";
import type { VmContext } from "./context.ts";

/** @param vm any state; a running one is killed without asking the guest, since its disk goes too */
export async function deleteVm(context: VmContext, vm: { readonly id: string }, work: Work): Promise<void> {
  work.report.stage("deleting");
  context.vms.update(vm.id, { autoRemove: true }); // cut off from here on, it is finished at the next start
  checkpoint("delete.recorded");
  const live = context.live.get(vm.id);
  if (live) {
    await context.nats.stop(vm.id); // before what it serves: else it is started again, in a folder that is going
    await live.kill();
    context.live.remove(live);
  }
  checkpoint("delete.killed");
  context.forgetConsole(vm.id);
  const directory = vmDirectory(context.paths, vm.id);
  // Out of the way first: a folder under this name belongs to no VM, so a crash from here on leaves only rubbish that is removed at the next start.
  const doomed = join(dirname(directory), `.tmp-deleted-${vm.id}`);
  await rename(directory, doomed).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
  checkpoint("delete.moved");
  context.vms.delete(vm.id);
  checkpoint("delete.forgotten");
  await rm(workspaceDirectory(context.paths, vm.id), { recursive: true, force: true });
  await Promise.all([rm(doomed, { recursive: true, force: true }), context.ssh.tidy()]);
}
