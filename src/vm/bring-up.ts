/**
 * Brings a VM's machine up to its agent's hello: by a boot, with a watchdog and one more try, or from a saved state, which
 * either comes up or does not.
 */
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import type { GuestSession } from "../guest/index.ts";
import type { StartKind } from "../store/vms.ts";
import type { Accelerator, Driver, LaunchSpec, Machine, SavedState } from "../vmm/driver.ts";
import type { VmContext } from "./context.ts";
import { LiveVm } from "./live-vm.ts";

/**
 * How long a boot may take to its hello before it counts as hung, first try and second. An idle host needs about 4 s in
 * software emulation (docs/benchmarks.md); the rest is room for a busy one. A restored machine gets the first.
 */
const WATCHDOG_MS: Record<Accelerator, readonly [number, number]> = {
  kvm: [20_000, 60_000],
  tcg: [60_000, 180_000],
};

/** What a VM goes on from; its state disk must be that of the same moment. */
export interface SavedMachine {
  readonly kind: Exclude<StartKind, "cold">;
  /** Called when everything else is ready for it. */
  readonly open: () => SavedState | Promise<SavedState>;
}

export interface BroughtUp {
  readonly live: LiveVm;
  readonly session: GuestSession;
  readonly attempts: number;
  /** Its guest has been through a start before. */
  readonly rehearsed?: true;
}

/**
 * Boots. No monitor is left after a failure.
 * @param limits how long each attempt may take, in milliseconds
 * @throws when no attempt reached the agent's hello
 */
export async function boot(
  context: VmContext,
  driver: Driver,
  spec: LaunchSpec,
  work: Work,
  limits: readonly number[] = WATCHDOG_MS[spec.accelerator],
): Promise<BroughtUp> {
  for (const [index, limit] of limits.entries()) {
    work.report.stage("booting", index === 0 ? `${driver.name}/${spec.accelerator}` : "second attempt");
    const machine = await driver.launch(index === 0 ? spec : asItCame(spec), work.signal);
    const up = await untilHello(
      context,
      spec.id,
      machine,
      (live, signal) => live.open(signal, true),
      limit,
      work,
    );
    if (up) return { ...up, attempts: index + 1 };
    context.log.warn({ vm: spec.id, limit }, "boot watchdog fired");
    if (index === 0)
      work.report.notice(`the guest did not answer within ${seconds(limit)}; trying once more`);
  }
  throw noSign(limits);
}

/** With the kernel not entered directly, should that be what hung. */
function asItCame(spec: LaunchSpec): LaunchSpec {
  const { image, elf } = spec.kernel;
  return "path" in elf && elf.path !== image
    ? { ...spec, kernel: { image, elf: { ...elf, pvh: false } } }
    : spec;
}

/** Goes on from a saved state. No monitor is left after a failure. @throws driver_failed, and when there is no hello in time */
export async function goOn(
  context: VmContext,
  driver: Driver,
  spec: LaunchSpec,
  { kind, open }: SavedMachine,
  work: Work,
): Promise<BroughtUp> {
  const [limit] = WATCHDOG_MS[spec.accelerator];
  const state = await open();
  work.report.stage(kind === "warm" ? "starting warm" : "restoring", `${driver.name}/${spec.accelerator}`);
  const machine = await driver.restore(spec, state, work.signal);
  const hello = (live: LiveVm, signal: AbortSignal) => greet(live, signal, kind === "warm");
  const up = await untilHello(context, spec.id, machine, hello, limit, work);
  if (up) return { ...up, attempts: 1 };
  throw noSign([limit]);
}

/** Null when the time was over. No monitor is left then, nor after a failure. */
async function untilHello(
  context: VmContext,
  id: string,
  machine: Machine,
  open: (live: LiveVm, signal: AbortSignal) => Promise<GuestSession>,
  limit: number,
  work: Work,
): Promise<Omit<BroughtUp, "attempts"> | null> {
  checkpoint("start.launched");
  const live = new LiveVm(id, machine, context.consoleOf(id));
  context.vms.update(id, { machine: machine.handle });
  checkpoint("start.noted");
  context.live.add(live);
  const watchdog = AbortSignal.timeout(limit);
  try {
    return { live, session: await open(live, AbortSignal.any([watchdog, work.signal])) };
  } catch (error) {
    await endMachine(context, live);
    if (watchdog.aborted && !work.signal.aborted) return null;
    throw error;
  }
}

/** Opens the session of a guest that may stand still: a restored one does, until it is let go on. */
export async function greet(live: LiveVm, signal: AbortSignal, idle = false): Promise<GuestSession> {
  await live.machine.resume();
  return live.open(signal, idle);
}

/** Ends a VM's machine. */
export async function endMachine(context: VmContext, live: LiveVm): Promise<void> {
  await live.kill();
  context.live.remove(live);
  context.vms.update(live.id, { machine: null });
}

const seconds = (ms: number) => `${ms / 1000} s`;

const noSign = (limits: readonly number[]) =>
  new Error(`no sign of life within ${limits.map(seconds).join(", then ")}`);
