/** Stops a VM: the guest syncs and powers off by itself within a bound, else its monitor is ended. */
import type { Work } from "../core/stage.ts";
import { powerOff, sync } from "../guest/index.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";

/**
 * @param timeoutMs bound of the orderly part; 0 ends the monitor at once, like pulling the plug after a sync
 * @returns once the monitor is gone and the VM is `stopped`
 */
export async function stopVm(context: VmContext, vm: VmRecord, timeoutMs: number, work: Work): Promise<void> {
  const live = context.live.get(vm.id);
  let reason: string | null = null;
  if (live) {
    context.vms.update(vm.id, { state: "stopping" });
    live.ending = true;
    const orderly = timeoutMs > 0 && (await powerOffWithin(live, timeoutMs, work));
    if (!orderly) {
      if (timeoutMs > 0) work.report.notice("the guest did not power off in time; its monitor was ended");
      work.report.stage("killing");
    }
    await live.kill();
    if (live.killedWith !== null) reason = (await live.exited).reason; // by somebody who did not want to wait
    context.live.remove(live);
  }
  context.vms.update(vm.id, { state: "stopped", reason, machine: null });
}

/** @returns whether the guest went down by itself in time */
async function powerOffWithin(live: LiveVm, timeoutMs: number, work: Work): Promise<boolean> {
  work.report.stage("powering off");
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), timeoutMs);
  const late = new Promise<false>((resolve) => {
    AbortSignal.any([deadline.signal, work.signal]).addEventListener("abort", () => resolve(false), {
      once: true,
    });
  });
  const down = (async () => {
    const session = await live.guest();
    await sync(session);
    await powerOff(session, { graceMs: Math.floor(timeoutMs / 2) });
    await live.machine.exited;
    return true;
  })();
  try {
    return await Promise.race([down, late]);
  } catch {
    return false; // an agent that cannot be asked: the caller ends the monitor
  } finally {
    clearTimeout(timer);
    down.catch(() => {});
  }
}
