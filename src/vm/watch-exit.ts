/** Follows what happens to a running VM by itself: that it is used, and that its monitor ends. */
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";

/** Follows a live VM to its end. An end that banger did not ask for makes the VM `stopped` with the reason. */
export function watchExit(context: VmContext, live: LiveVm): void {
  live.onUse = (inUse) => {
    context.deadlines.used(live.id, inUse);
    if (!inUse) context.warm.calmed();
  };
  void live.exited.then((exit) => {
    context.live.remove(live);
    if (live.ending) return;
    const record = context.vms.get(live.id);
    // `starting` and `stopping` have a pipeline that watches the machine itself and records what it means.
    if (record?.state !== "running" && record?.state !== "paused") return;
    context.log.warn({ vm: live.id, reason: exit.reason }, "monitor ended");
    context.vms.update(live.id, { state: "stopped", reason: exit.reason, machine: null });
  });
}
