/** Stops a VM: the guest syncs and powers off by itself within a bound, else its monitor is ended. */
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import { powerOff, sync } from "../guest/index.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";

/** How long a guest may take when nobody says otherwise. */
export const DEFAULT_STOP_MS = 30_000;

/**
 * @param timeoutMs bound of the orderly part; 0 ends the monitor at once, like pulling the plug after a sync
 * @param why recorded as the reason, when it is not the user who wants it
 * @returns once the monitor is gone and the VM is `stopped`
 */
export async function stopVm(
  context: VmContext,
  vm: VmRecord,
  timeoutMs: number,
  work: Work,
  why: string | null = null,
): Promise<void> {
  const live = context.live.get(vm.id);
  let reason = why;
  if (live) {
    context.vms.update(vm.id, { state: "stopping" });
    checkpoint("stop.recorded");
    live.ending = true;
    if (vm.state === "paused" && timeoutMs > 0) await live.machine.resume().catch(() => {}); // else it is ended by force
    const orderly = timeoutMs > 0 && (await powerOffWithin(context, live, timeoutMs, work));
    if (!orderly) {
      if (timeoutMs > 0) work.report.notice("the guest did not power off in time; its monitor was ended");
      work.report.stage("killing");
    }
    await live.kill();
    if (live.killedWith !== null) reason = (await live.exited).reason; // by somebody who did not want to wait
    context.live.remove(live);
    checkpoint("stop.gone");
  }
  context.vms.update(vm.id, { state: "stopped", reason, machine: null });
}

/** @returns whether the guest went down by itself in time */
async function powerOffWithin(
  context: VmContext,
  live: LiveVm,
  timeoutMs: number,
  work: Work,
): Promise<boolean> {
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
    context.vms.update(live.id, { borrowed: false }); // see own-identity.ts
    checkpoint("stop.synced");
    await powerOff(session, { graceMs: Math.floor(timeoutMs / 2) });
    checkpoint("stop.asked");
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
