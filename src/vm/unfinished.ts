/** What a daemon that was killed had begun with a VM whose monitor runs on: its successor finishes it. */
import type { Work } from "../core/stage.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";
import { settleGuest } from "./settings.ts";
import { finishStart } from "./start.ts";
import { DEFAULT_STOP_MS, stopVm } from "./stop.ts";

export interface Unfinished {
  readonly kind: "start" | "stop" | "set";
  readonly vm: VmRecord;
  readonly run: (work: Work) => Promise<void>;
}

/** What is left to do with an adopted VM; null when nothing is. */
export function unfinishedWork(context: VmContext, vm: VmRecord, live: LiveVm): Unfinished | null {
  if (vm.state === "starting") {
    return { kind: "start", vm, run: (work) => finishStart(context, vm, live, work) };
  }
  if (vm.state === "stopping") {
    return { kind: "stop", vm, run: (work) => stopVm(context, vm, DEFAULT_STOP_MS, work) };
  }
  return vm.unsettled ? { kind: "set", vm, run: () => settleGuest(context, vm, live) } : null;
}
