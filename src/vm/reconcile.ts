/**
 * What to do with each VM when the daemon starts, after whatever happened. Pure: facts in, actions out; the I/O is in
 * `recover.ts`. The rules:
 *
 * - a VM whose creation was cut off, or that belonged to a client that is gone (--rm), is deleted;
 * - a monitor that still runs is adopted when its VM was running, starting or stopping, and ended otherwise; what was
 *   begun with it is finished (`unfinished.ts`);
 * - a VM whose monitor is gone is `stopped`, with the reason;
 * - folders that belong to no VM are removed. Nothing else is touched.
 */
import type { VmRecord } from "../store/vms.ts";

export interface Facts {
  /** Ids whose monitor was found alive (pid, start time and socket agree). */
  readonly alive: ReadonlySet<string>;
  /** Names of the folders under vms/. */
  readonly folders: readonly string[];
  /** True when the host booted after the VM was started. */
  readonly hostRebooted: (vm: VmRecord) => boolean;
}

export type Action =
  | { readonly kind: "delete"; readonly id: string; readonly why: string }
  | { readonly kind: "adopt"; readonly id: string }
  | { readonly kind: "stop"; readonly id: string; readonly reason: string }
  | { readonly kind: "remove_folder"; readonly name: string };

export function reconcile(vms: readonly VmRecord[], facts: Facts): Action[] {
  const known = new Set(vms.map((vm) => vm.id));
  return [
    ...vms.flatMap((vm) => reconcileVm(vm, facts) ?? []),
    ...facts.folders
      .filter((name) => !known.has(name))
      .map((name): Action => ({ kind: "remove_folder", name })),
  ];
}

function reconcileVm(vm: VmRecord, facts: Facts): Action | null {
  if (vm.state === "creating") return { kind: "delete", id: vm.id, why: "its creation was cut off" };
  if (vm.autoRemove) return { kind: "delete", id: vm.id, why: "it was to be removed" };
  if (!facts.folders.includes(vm.id)) return { kind: "delete", id: vm.id, why: "its disk is gone" };
  const alive = facts.alive.has(vm.id);
  switch (vm.state) {
    case "running":
    case "paused":
    case "starting":
    case "stopping":
      return alive
        ? { kind: "adopt", id: vm.id }
        : { kind: "stop", id: vm.id, reason: deathReason(vm, facts) };
    case "stopped":
    case "error":
      return alive ? { kind: "stop", id: vm.id, reason: vm.reason ?? "stopped" } : null;
  }
}

function deathReason(vm: VmRecord, facts: Facts): string {
  if (facts.hostRebooted(vm)) return "the host was restarted";
  if (vm.state === "starting") return "its start was cut off";
  if (vm.state === "stopping") return "stopped while the daemon was restarted";
  return "its monitor ended while no daemon was running";
}
