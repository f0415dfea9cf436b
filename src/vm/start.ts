/** Starts a VM: brought up to its agent's hello by a boot or from a saved state, configured, `running`. */
import { checkpoint } from "../core/checkpoints.ts";
import type { Config } from "../core/config.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { growStateDisk } from "../disk/state-disk.ts";
import { type GuestSession, grow, waitSystem } from "../guest/index.ts";
import { vmDirectory } from "../host/paths.ts";
import { requireTools } from "../host/tools.ts";
import type { BootRecord, VmRecord } from "../store/vms.ts";
import type { Driver, LaunchSpec } from "../vmm/driver.ts";
import type { Selected } from "../vmm/drivers.ts";
import { boot, endMachine, goOn, greet, type SavedMachine } from "./bring-up.ts";
import { configureGuest, type HostIdentity, hostIdentity } from "./configure.ts";
import type { VmContext } from "./context.ts";
import { syncFiles } from "./file-sync.ts";
import type { LiveVm } from "./live-vm.ts";
import { startNetwork } from "./network.ts";
import { keepIdentity } from "./own-identity.ts";
import { rehearse } from "./rehearse.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { trustCertificates } from "./trust.ts";
import { startWarm, wantedTemplate } from "./warm-start.ts";
import { watchExit } from "./watch-exit.ts";

export type WaitFor = "agent" | "system" | "none";

export interface StartOptions {
  readonly wait: WaitFor;
  /** Goes on from there; the VM must be marked as `borrowed`. Without it a VM that never ran starts warm if it can, any other boots. */
  readonly saved?: SavedMachine;
  /** Boots in any case. */
  readonly cold?: boolean;
}

const CONSOLE_TAIL_LINES = 12;

/**
 * Starts a stopped VM and returns once it is `running` and what `wait` asks for holds.
 * On failure no monitor is left; the VM is `error` with the reason (`stopped` when cancelled).
 * @throws port_unavailable (nothing was begun then) | boot_failed | driver_unavailable | operation_cancelled
 */
export async function startVm(
  context: VmContext,
  vm: VmRecord,
  options: StartOptions,
  work: Work,
): Promise<void> {
  await context.ports.open(vm.id, vm.publish);
  try {
    await context.supplies.use(() => startWithPorts(context, vm, options, work));
  } catch (error) {
    context.ports.close(vm.id);
    throw error;
  }
}

async function startWithPorts(
  context: VmContext,
  vm: VmRecord,
  { wait, saved, cold = false }: StartOptions,
  work: Work,
): Promise<void> {
  const launchedAt = Date.now();
  const config = await context.readConfig(); // a file that cannot be used is told before anything is booted
  const identity = hostIdentity(context.ssh, config.trust_host_ca);
  identity.catch(() => {}); // it is awaited when the guest is there
  const { driver, spec, status, publicKey } = await prepare(context, vm, work);
  const fresh = vm.startedAt === null && saved === undefined && !cold;
  const wanted =
    fresh && driver.features.snapshot ? wantedTemplate({ vm, driver, spec, status, publicKey }) : null;
  if (wanted) context.standby.started(wanted.key);
  context.vms.update(vm.id, {
    state: "starting",
    reason: null,
    startedAt: launchedAt,
    start: saved?.kind ?? "cold",
    boot: null,
    bootId: null,
  });
  checkpoint("start.recorded");
  try {
    // Who takes over a machine that stood by (it is there by now) computes little: with turns the last of eight is no sooner there.
    const fromTemplate = wanted !== null && vm.machine === null && (await context.warm.has(wanted.key));
    using _turn = saved || fromTemplate ? await context.starts.take(work.signal) : null;
    const warm = wanted && (await startWarm(context, vm, wanted, work));
    if (spec.accelerator === "tcg") work.report.notice(status.why);
    const {
      live,
      session,
      attempts,
      rehearsed = false,
    } = warm ??
    (await (saved ? goOn(context, driver, spec, saved, work) : boot(context, driver, spec, work)));
    try {
      await startNetwork(context, vm, live, work);
      await becomeRunning(context, vm, session, {
        launchedAt,
        attempts,
        rehearsed,
        identity: await identity,
        config,
        work,
      });
      watchExit(context, live);
      if (wanted) context.warm.want(wanted);
      if (wait === "system") await settle(session, work);
    } catch (error) {
      const cause = work.signal.aborted ? error : await live.explain(error);
      await endMachine(context, live);
      throw cause;
    }
  } catch (error) {
    throw recordFailure(context, vm, work, error);
  }
}

/** What becomes of a booted guest: how it came up, and what it gets of the host. */
interface Start {
  readonly launchedAt: number;
  readonly attempts: number;
  readonly rehearsed: boolean;
  readonly identity: HostIdentity;
  readonly config: Config;
  readonly work: Work;
}

/** How long a guest whose start was cut off may take to answer the new daemon. */
const ADOPT_MS = 60_000;

/** Goes on with a start that the daemon's end cut off. @throws as `startVm` */
export async function finishStart(context: VmContext, vm: VmRecord, live: LiveVm, work: Work): Promise<void> {
  try {
    work.report.stage("booting", "begun by a former daemon");
    const session = await greet(live, AbortSignal.any([AbortSignal.timeout(ADOPT_MS), work.signal]));
    const config = await context.readConfig();
    await becomeRunning(context, vm, session, {
      launchedAt: vm.startedAt ?? Date.now(),
      attempts: 1,
      rehearsed: false,
      identity: await hostIdentity(context.ssh, config.trust_host_ca),
      config,
      work,
    });
  } catch (error) {
    const cause = work.signal.aborted ? error : await live.explain(error);
    await endMachine(context, live);
    throw recordFailure(context, vm, work, cause);
  }
}

/** Configures the guest and records that it runs. */
async function becomeRunning(
  context: VmContext,
  vm: VmRecord,
  session: GuestSession,
  start: Start,
): Promise<void> {
  checkpoint("start.greeted");
  const { env } = await context.images.get(vm.imageDigest);
  const { identity, config, work } = start;
  const { borrowed, start: kind } = context.vms.get(vm.id) ?? vm;
  // Beside others who start there is no processor for it.
  if (kind !== "cold" && !start.rehearsed && context.starts.taken <= 1) void rehearse(session);
  await configureGuest(session, { ...vm, borrowed }, { env, resolvers: config.default_dns }, identity);
  const { certificates = [], problems = [] } = identity.trusted ?? {};
  for (const problem of problems) work.report.notice(`trust_host_ca: ${problem}`);
  const nothingToTakeBack = kind === "warm"; // a template was given none
  if (certificates.length > 0 || !nothingToTakeBack) await trustCertificates(session, certificates, work);
  await syncFiles(session, config.file_sync, work);
  if (vm.unsettled) await grow(session, vm.diskBytes);
  work.signal.throwIfAborted();
  checkpoint("start.configured");
  const { hello } = session;
  const ms = (ns: number) => Math.round(ns / 1e6);
  const boot: BootRecord = {
    initMs: ms(hello.initNs),
    rootMs: ms(hello.rootNs),
    agentMs: ms(hello.agentNs),
    readyMs: Date.now() - start.launchedAt,
    attempts: start.attempts,
  };
  context.vms.update(vm.id, {
    state: "running",
    reason: null,
    unsettled: false,
    bootId: hello.bootId,
    boot,
  });
  context.deadlines.used(vm.id, false);
  keepIdentity(context, vm.id, session);
  checkpoint("start.running");
}

interface Prepared {
  readonly driver: Driver;
  readonly spec: LaunchSpec;
  readonly status: Selected["status"];
  readonly publicKey: string | null;
}

async function prepare(context: VmContext, vm: VmRecord, work: Work): Promise<Prepared> {
  const [image, kernel, { driver, status }, publicKey] = await Promise.all([
    context.images.get(vm.imageDigest),
    context.kernels.get(vm.kernelDigest),
    context.drivers.select(vm.driver, vm.nat ? ["nat"] : []),
    context.ssh.publicKey(), // one that cannot be used is told before anything is booted
    context.ssh.refresh(), // it may be another one than before
    vm.nat ? requireTools("nat") : undefined,
  ]);
  await context.images.requireUnchanged(image);
  const directory = vmDirectory(context.paths, vm.id);
  if (vm.unsettled) await growStateDisk(stateDiskFile(directory), vm.diskBytes);
  const spec: LaunchSpec = {
    id: vm.id,
    directory,
    vcpu: vm.vcpu,
    memoryMib: vm.memoryMib,
    accelerator: status.accelerator,
    kernel: await context.bootFiles.kernel(kernel),
    initramfs: await context.bootFiles.initramfs(kernel, work),
    kernelArgs: image.init ? [`banger.init=${image.init}`] : [],
    disks: { base: image.rootfs, state: stateDiskFile(directory), modules: kernel.modules },
    nested: vm.nested,
    diskRate: vm.diskRate,
    netRate: vm.netRate,
  };
  return { driver, spec, status, publicKey };
}

async function settle(session: GuestSession, work: Work): Promise<void> {
  work.report.stage("waiting for the system");
  const cancelled = new Promise<never>((_, reject) => {
    work.signal.addEventListener("abort", () => reject(work.signal.reason), { once: true });
  });
  const state = await Promise.race([waitSystem(session), cancelled]);
  if (state !== "running") work.report.notice(`the guest's system is ${state}`);
}

function recordFailure(context: VmContext, vm: VmRecord, work: Work, error: unknown): BangerError {
  if (work.signal.aborted) {
    context.vms.update(vm.id, { state: "stopped", reason: "its start was cancelled", machine: null });
    return BangerError.of("operation_cancelled", { what: `starting ${vm.name}` });
  }
  const reason =
    asBangerError(error).code === "internal" ? (error as Error).message : asBangerError(error).message;
  context.vms.update(vm.id, { state: "error", reason, machine: null });
  if (error instanceof BangerError && error.code === "file_sync_failed") return error;
  const console = context.consoleOf(vm.id).read(CONSOLE_TAIL_LINES).toString("utf8").trim();
  const tail = console ? `; its last lines:\n${console}` : "; it is empty";
  return BangerError.of("boot_failed", { name: vm.name, reason, tail }, { cause: error });
}
