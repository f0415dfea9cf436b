/**
 * Pause and resume in memory: the guest stands still, its monitor and its memory stay. What the record says counts: a daemon
 * that finds the machine otherwise after a crash makes it so (`recover.ts`).
 */
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import type { VmRecord } from "../store/vms.ts";
import { setClock } from "./configure.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";

/** How long a guest that goes on may take to be told the time; it goes on without. */
const CLOCK_MS = 20_000;

/** Stops a running VM's processors. @throws driver_failed; it runs on then */
export async function pauseVm(context: VmContext, vm: VmRecord, live: LiveVm, work: Work): Promise<void> {
  work.report.stage("pausing");
  await live.machine.pause();
  checkpoint("pause.stopped");
  context.vms.update(vm.id, { state: "paused" });
  checkpoint("pause.recorded");
}

/** Lets a paused VM go on, its clock put right. @throws driver_failed; it stays paused then */
export async function resumeVm(context: VmContext, vm: VmRecord, live: LiveVm, work: Work): Promise<void> {
  work.report.stage("resuming");
  await live.machine.resume();
  checkpoint("resume.running");
  context.vms.update(vm.id, { state: "running" });
  if (vm.idleSince !== null) context.deadlines.used(vm.id, false); // it was not idle, it stood still
  checkpoint("resume.recorded");
  await awaken(live).catch((error: Error) =>
    work.report.notice(`the guest's clock was not put right: ${error.message}`),
  );
}

/** Puts the clock of a guest right that stood still. */
export async function awaken(live: LiveVm): Promise<void> {
  await setClock(await live.guest(), { signal: AbortSignal.timeout(CLOCK_MS) });
}
