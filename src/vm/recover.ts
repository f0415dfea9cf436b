/** Carries out what `reconcile` decides when the daemon starts. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { silent } from "../core/stage.ts";
import { vmDirectory, workspaceDirectory } from "../host/paths.ts";
import type { VmRecord } from "../store/vms.ts";
import type { Machine, MachineHandle } from "../vmm/driver.ts";
import { endStrayMonitor } from "../vmm/monitor-process.ts";
import { hostIdentity } from "./configure.ts";
import type { VmContext } from "./context.ts";
import { deleteVm } from "./delete.ts";
import { LiveVm } from "./live-vm.ts";
import { type Action, reconcile } from "./reconcile.ts";
import { settleGuest } from "./settings.ts";
import { becomeRunning } from "./start.ts";
import { watchExit } from "./watch-exit.ts";

const ADOPT_MS = 60_000;

/**
 * Brings records, monitors and folders together. Returns once every monitor is adopted or ended; sessions with adopted
 * guests are opened when they are first needed.
 * @param bootedAt when the host booted, milliseconds since the epoch
 */
export async function recoverVms(context: VmContext, bootedAt: number): Promise<void> {
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
  const byId = new Map(vms.map((vm) => [vm.id, vm]));
  await Promise.all(
    actions.map(async (action) => {
      context.log.info({ ...action }, "reconcile");
      if (action.kind === "remove_folder") {
        endStrayMonitor(join(folder, action.name));
        return rm(join(folder, action.name), { recursive: true, force: true });
      }
      const vm = byId.get(action.id);
      if (vm) await carryOut(context, vm, machines.get(vm.id) ?? null, action);
    }),
  );
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
        if (vm.state === "starting") endStrayMonitor(vmDirectory(context.paths, vm.id));
        return null;
      }
      const machine = await context.drivers.byName(handle.driver).adopt(handle);
      if (!machine) endStrayMonitor(vmDirectory(context.paths, vm.id)); // its jail may be gone, and it not
      return machine && ([vm.id, machine] as const);
    }),
  );
  return new Map(found.filter((entry) => entry !== null));
}

async function carryOut(
  context: VmContext,
  vm: VmRecord,
  machine: Machine | null,
  action: Exclude<Action, { kind: "remove_folder" }>,
): Promise<void> {
  switch (action.kind) {
    case "delete":
      await machine?.kill();
      return deleteVm(context, vm, { report: silent, signal: new AbortController().signal });
    case "stop":
      await machine?.kill();
      return context.vms.update(vm.id, { state: "stopped", reason: action.reason, machine: null });
    case "adopt":
      if (machine) await adopt(context, vm, machine);
  }
}

/** A `vm set` that the former daemon began goes on in the background. */
async function finishChange(context: VmContext, vm: VmRecord, live: LiveVm): Promise<void> {
  try {
    await context.busy.hold(vm, "set", () => settleGuest(context, vm, live));
  } catch (error) {
    context.log.warn({ vm: vm.id, err: error }, "a change that was cut off waits for the next start");
  }
}

async function adopt(context: VmContext, vm: VmRecord, machine: Machine): Promise<void> {
  const live = new LiveVm(vm.id, machine, context.consoleOf(vm.id));
  live.onRemoved = () => context.ports.close(vm.id);
  context.live.add(live);
  await context.ports.restore(vm.id, vm.publish);
  watchExit(context, live);
  if (vm.state !== "starting") {
    if (vm.unsettled) void finishChange(context, vm, live);
    return;
  }
  // Its start goes on in the background: the daemon must not wait for one slow guest.
  void context.busy.hold(vm, "start", async () => {
    try {
      const session = await live.open(AbortSignal.timeout(ADOPT_MS));
      await becomeRunning(context, vm, session, {
        launchedAt: vm.startedAt ?? Date.now(),
        attempts: 1,
        identity: await hostIdentity(context.ssh),
        files: (await context.readConfig()).file_sync,
        work: {
          report: { ...silent, notice: (text) => context.log.warn({ vm: vm.id }, text) },
          signal: new AbortController().signal,
        },
      });
    } catch (error) {
      await live.kill();
      context.live.remove(live);
      const reason = `its start was cut off: ${(error as Error).message}`;
      context.vms.update(vm.id, { state: "error", reason, machine: null });
    }
  });
}
