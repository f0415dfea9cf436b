/** Carries out what `reconcile` decides when the daemon starts. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { silent } from "../core/stage.ts";
import { growStateDisk } from "../disk/state-disk.ts";
import { vmDirectory, workspaceDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import type { Machine, MachineHandle } from "../vmm/driver.ts";
import { endStrayLimits } from "../vmm/jail/limits.ts";
import { endStrayMonitor } from "../vmm/monitor-process.ts";
import type { VmContext } from "./context.ts";
import { deleteVm } from "./delete.ts";
import { LiveVm } from "./live-vm.ts";
import { restoreNetwork } from "./network.ts";
import { type Action, reconcile } from "./reconcile.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { type Unfinished, unfinishedWork } from "./unfinished.ts";
import { watchExit } from "./watch-exit.ts";

/**
 * Brings records, monitors and folders together. Returns once every monitor is adopted or ended; sessions with adopted
 * guests are opened when they are first needed.
 * @returns what the former daemon had begun and this one is to finish, before anything else is done with those VMs
 * @param bootedAt when the host booted, milliseconds since the epoch
 */
export async function recoverVms(context: VmContext, bootedAt: number): Promise<Unfinished[]> {
  const folder = join(context.paths.state, "vms");
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const vms = context.vms.list();
  await removeStrayWorkspaces(context, vms);
  const machines = await findMachines(context, vms);
  const actions = reconcile(vms, {
    alive: new Set(machines.keys()),
    folders: await readdir(folder),
    hostRebooted: (vm) => vm.startedAt !== null && vm.startedAt < bootedAt,
  });
  checkpoint("recover.found");
  const byId = new Map(vms.map((vm) => [vm.id, vm]));
  const unfinished = await Promise.all(
    actions.map(async (action) => {
      context.log.info({ ...action }, "reconcile");
      const vm = action.kind === "remove_folder" ? undefined : byId.get(action.id);
      return vm && (await carryOut(context, vm, machines.get(vm.id) ?? null, action));
    }),
  );
  // After the VMs: a deletion that was cut off has left one of these too.
  for (const action of actions)
    if (action.kind === "remove_folder") await removeFolder(join(folder, action.name));
  if (vms.length > 0) await endStrayLimits(folder);
  await growStoppedDisks(context);
  checkpoint("recover.done");
  return unfinished.filter((work) => work != null);
}

/** A disk whose growth was cut off gets its size now; its filesystem follows at the next start. */
async function growStoppedDisks(context: VmContext): Promise<void> {
  for (const vm of context.vms.list().filter((vm) => vm.unsettled && !context.live.get(vm.id))) {
    const file = stateDiskFile(vmDirectory(context.paths, vm.id));
    await growStateDisk(file, vm.diskBytes).catch((error) =>
      context.log.warn({ vm: vm.id, err: error }, "the disk will be grown at the next start"),
    );
  }
}

async function removeFolder(folder: string): Promise<void> {
  await endStrayMonitor(folder);
  await rm(folder, { recursive: true, force: true });
}

/** Workspaces of VMs that are gone: a deletion was cut off. */
async function removeStrayWorkspaces(context: VmContext, vms: readonly VmRecord[]): Promise<void> {
  const known = new Set(vms.map((vm) => vm.id));
  const folders = await readdir(join(context.paths.state, "workspaces")).catch(() => []);
  const stray = folders.filter((id) => !known.has(id)).map((id) => workspaceDirectory(context.paths, id));
  await Promise.all(stray.map((folder) => rm(folder, { recursive: true, force: true })));
}

async function findMachines(context: VmContext, vms: readonly VmRecord[]): Promise<Map<string, Machine>> {
  const found = await Promise.all(
    vms.map(async (vm) => {
      const handle = vm.machine as MachineHandle | null;
      if (!handle) {
        // A daemon that died between launch and record leaves a monitor that only its folder knows.
        if (vm.state === "starting") await endStrayMonitor(vmDirectory(context.paths, vm.id));
        return null;
      }
      const machine = await context.drivers.byName(handle.driver).adopt(handle);
      if (!machine) await endStrayMonitor(vmDirectory(context.paths, vm.id)); // its jail may be gone, and it not
      return machine && ([vm.id, machine] as const);
    }),
  );
  return new Map(found.filter((entry) => entry !== null));
}

async function carryOut(
  context: VmContext,
  vm: VmRecord,
  machine: Machine | null,
  action: Action,
): Promise<Unfinished | null> {
  switch (action.kind) {
    case "delete":
      await machine?.kill();
      await deleteVm(context, vm, { report: silent, signal: new AbortController().signal });
      return null;
    case "stop":
      await machine?.kill();
      context.vms.update(vm.id, { state: "stopped", reason: action.reason, machine: null });
      return null;
    case "adopt":
      return machine && adopt(context, vm, machine);
    case "remove_folder":
      return null;
  }
}

/** A pause, resume or snapshot that was cut off left the machine otherwise than its record says: the record counts. */
async function equalPause(context: VmContext, vm: VmRecord, live: LiveVm): Promise<void> {
  const { machine } = live;
  await (vm.state === "paused" ? machine.pause() : machine.resume()).catch((error: unknown) =>
    context.log.warn({ vm: vm.id, err: error }, "the machine could not be paused or resumed"),
  );
}

async function adopt(context: VmContext, vm: VmRecord, machine: Machine): Promise<Unfinished | null> {
  const live = new LiveVm(vm.id, machine, context.consoleOf(vm.id));
  context.live.add(live);
  await restoreNetwork(context, vm, live);
  watchExit(context, live);
  await equalPause(context, vm, live);
  return unfinishedWork(context, vm, live);
}
