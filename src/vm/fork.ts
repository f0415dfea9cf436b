/** Copies of a running VM, which goes on: it stands still once, however many there will be. */
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import { copyTree } from "../host/copy-tree.ts";
import { privateDirectory, temporaryName } from "../host/files.ts";
import { workspaceDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import { requireFeatures } from "../vmm/features.ts";
import { captureVm, requireRoom } from "./capture.ts";
import type { VmContext } from "./context.ts";
import { type CopyRequest, copyVm } from "./copy.ts";
import { deleteVm } from "./delete.ts";
import { handOver } from "./hand-over.ts";
import type { LiveVm } from "./live-vm.ts";
import { requireState } from "./states.ts";

/**
 * Makes all copies or none.
 * @throws vm_wrong_state | vm_name_taken | driver_unavailable | no_space before the VM stands still, and as `captureVm`, `copyVm`
 */
export async function forkVm(
  context: VmContext,
  vm: VmRecord,
  requests: readonly CopyRequest[],
  work: Work,
): Promise<readonly VmRecord[]> {
  requireState(vm, ["running", "paused"], "running");
  const live = context.live.get(vm.id);
  if (!live) throw BangerError.of("guest_unreachable", { reason: "its monitor is gone" });
  for (const { name } of requests)
    if (name !== undefined && context.vms.hasName(name)) throw BangerError.of("vm_name_taken", { name });
  requireFeatures(context.drivers.byName(vm.driver), ["snapshot"]);
  return context.supplies.use(async () => {
    const { folder: snapshots } = context.snapshots;
    await privateDirectory(snapshots);
    const folder = temporaryName(join(snapshots, "fork"));
    const [only] = requests.length === 1 ? requests : [];
    const memory = only ? await live.machine.openMemory() : null;
    try {
      await requireRoom(context, vm, memory ? null : live, requests.length);
      await mkdir(folder, { mode: 0o700 });
      const made =
        only && memory
          ? [await handOver(context, vm, live, only, { memory, folder }, work)]
          : await copies(context, vm, live, requests, folder, work);
      await Promise.all(made.map((copy) => copyWorkspace(context, vm, copy)));
      return made;
    } finally {
      await memory?.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
}

/** The VM is captured once, in files. */
async function copies(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm,
  requests: readonly CopyRequest[],
  folder: string,
  work: Work,
): Promise<readonly VmRecord[]> {
  const [memory, disk] = [join(folder, "memory"), join(folder, "disk")];
  await mkdir(memory, { mode: 0o700 });
  await captureVm(context, vm, live, { memory, disk }, work);
  const origin = { kind: "vm", id: vm.id, name: vm.name } as const;
  const last = requests.at(-1);
  let waiting = requests.length;
  // While the guest is configured: some hundred megabytes take their time to go.
  const onTaken = () => {
    if (--waiting === 0) rm(memory, { recursive: true, force: true }).catch(() => {}); // tried again, and told, in the end
  };
  const machine = () => ({ folder: memory, onTaken });
  const cloned = requests.slice(0, -1).map(() => Promise.withResolvers<void>());
  const results = await Promise.allSettled(
    requests.map((request, at) => {
      const makeDisk = async (file: string) => {
        if (request !== last)
          return cloneStateDisk(disk, file, work.signal).finally(() => cloned[at]?.resolve());
        await Promise.all(cloned.map(({ promise }) => promise));
        return rename(disk, file); // nobody needs the original any more
      };
      const original = { blueprint: vm, origin, machine, makeDisk };
      return copyVm(context, request, original, work).finally(() => cloned[at]?.resolve());
    }),
  );
  const made = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  const failed = results.find((result) => result.status === "rejected");
  if (failed) {
    await Promise.all(made.map((copy) => deleteVm(context, copy, work)));
    throw failed.reason;
  }
  return made;
}

/** What banger knows of the repository in the VM holds for its copies, too. */
async function copyWorkspace(context: VmContext, from: VmRecord, to: VmRecord): Promise<void> {
  const record = context.workspaces.get(from.id);
  if (!record) return;
  await copyTree(workspaceDirectory(context.paths, from.id), workspaceDirectory(context.paths, to.id));
  context.workspaces.set({ ...record, vmId: to.id });
}
