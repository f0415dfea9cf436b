/** Ends a VM's monitor by a signal, without asking the guest: for guests that do not stop, and for tests of what that costs. */
import { BangerError } from "../core/errors.ts";
import type { KillSignal } from "../core/signals.ts";
import type { Work } from "../core/stage.ts";
import type { LiveVm } from "./live-vm.ts";

/** A monitor that gets SIGTERM writes its disk out and ends; one that hangs never does. */
const END_MS = 10_000;

/**
 * Whoever follows the machine records its end: `watchExit` when the VM runs, else the start or stop that holds it.
 * @throws vmm_survived when the monitor still runs after 10 s
 */
export async function killVm(live: LiveVm, name: string, signal: KillSignal, work: Work): Promise<void> {
  work.report.stage("killing", `SIG${signal}`);
  live.killedWith = signal;
  live.machine.signal(signal);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(() => resolve("late"), END_MS);
  });
  const end = await Promise.race([live.exited, late]);
  clearTimeout(timer);
  if (end !== "late") return;
  live.killedWith = null;
  throw BangerError.of("vmm_survived", { name, signal: `SIG${signal}` });
}
