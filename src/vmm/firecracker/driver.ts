/** The Firecracker driver: launch, restore, adopt. */
import { readdir, rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { BangerError } from "../../core/errors.ts";
import { makeFifos, writeFifo } from "../../host/fifo.ts";
import { isAlive, killProcess } from "../../host/processes.ts";
import type { AcceleratorChoice } from "../accelerator.ts";
import { type Driver, type LaunchSpec, type Machine, sharedDisks } from "../driver.ts";
import { JAIL_GROUP, jailUser } from "../jail/jail-user.ts";
import { jailerJail } from "../jail/jailer.ts";
import { monitorLimits } from "../jail/limits.ts";
import { type MonitorCommand, removeEndpoints, startMonitor } from "../monitor-process.ts";
import { rememberStatus } from "../remember-status.ts";
import type { Call } from "./api.ts";
import { changedLimits, configuration, FILES, SAVED, START } from "./boot.ts";
import { type JailerChoice, rememberJailer } from "./jailer-program.ts";
import { connectMachine, type FirecrackerMachine, findMachine } from "./machine.ts";
import { findFirecracker, probeFirecracker } from "./probe.ts";
import { TUN, tapCommand } from "./tap.ts";

export interface FirecrackerSettings {
  /** `firecracker_bin` of config.toml. */
  readonly program: string | undefined;
  /** `jailer_bin`. */
  readonly jailer?: string | undefined;
  /** banger's cache folder. */
  readonly cache: string;
  /** banger's own folders: a jailer's monitor may be given what is in them. */
  readonly owned?: readonly string[];
  readonly accelerator: () => Promise<AcceleratorChoice>;
  /** How long it may take to listen, in milliseconds; as every monitor by default. */
  readonly patienceMs?: number;
}

/** What its API takes (`vcpu_count`). */
const MAX_VCPU = 32;

export function firecrackerDriver(settings: FirecrackerSettings): Driver {
  const { program, accelerator } = settings;
  const jailer = rememberJailer(settings.jailer);
  const start = async (
    spec: LaunchSpec,
    begin: (machine: FirecrackerMachine, network: boolean) => Promise<void>,
    readOnly: readonly string[],
    signal: AbortSignal,
  ) => {
    const found = await findFirecracker(program);
    if (found.path === null) throw unavailable(found.problem, found.fix);
    const at = (name: string) => join(spec.directory, name);
    await removeEndpoints(spec.directory);
    const pipes = makeFifos([at(FILES.console), at(FILES.log)]); // by a program of its own: meanwhile the rest
    pipes.catch(() => {}); // told below
    try {
      const choice = await jailer(found.path);
      const { network, ...how } = await confinement(found.path, choice, spec, readOnly, settings, signal);
      await pipes;
      return await startFirecracker(how, spec, (machine) => begin(machine, network), signal);
    } catch (error) {
      await pipes.catch(() => {});
      await removeEndpoints(spec.directory);
      throw error;
    }
  };
  return {
    name: "firecracker",
    features: {
      emulation: false,
      nested: false,
      nat: true,
      netRate: true,
      diskRate: true,
      growDisk: true,
      pause: true,
      snapshot: true,
    },
    maxVcpu: MAX_VCPU,
    probe: rememberStatus(() => probeFirecracker(program, jailer, accelerator)),
    launch: async (spec, signal) => {
      const { elf } = spec.kernel;
      if ("problem" in elf) {
        const reason = `kernel ${spec.kernel.image}: ${elf.problem}`;
        throw unavailable(reason, "choose another --kernel, or --driver qemu");
      }
      const { initramfs, disks } = spec;
      const shared = { kernel: elf.path, initramfs, base: disks.base, modules: disks.modules };
      const state = relative(spec.directory, disks.state);
      return start(
        spec,
        (machine, network) => machine.calls([...configuration(spec, { ...shared, state }, network), START]),
        Object.values(shared).filter((path) => path !== null),
        signal,
      );
    },
    restore: async (spec, { folder, onTaken }, signal) => {
      const load: Call = {
        name: "PUT /snapshot/load",
        body: {
          snapshot_path: join(folder, SAVED.devices),
          mem_backend: { backend_type: "File", backend_path: join(folder, SAVED.memory) },
          resume_vm: false,
        },
      };
      const entries = await readdir(folder, { withFileTypes: true });
      const saved = entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, name));
      const begin = (machine: FirecrackerMachine) => goOn(machine, load, spec);
      const machine = await start(spec, begin, [...sharedDisks(spec), ...saved], signal);
      onTaken?.(); // it has the memory mapped
      return machine;
    },
    adopt: async (handle) => {
      if (!isAlive(handle)) return null;
      return findMachine(handle).catch(() => {
        killProcess(handle); // alive, but nobody can control it any more
        return null;
      });
    },
  };
}

/** What is started for Firecracker to run in the end; Firecracker's own options follow. */
type Start = Pick<MonitorCommand, "jail" | "program" | "args" | "confinement" | "patienceMs">;

/** The jailer, where one is used: it tells Firecracker its id itself. Else bubblewrap. In either who gives it a tap where one can be made. */
async function confinement(
  program: string,
  choice: JailerChoice,
  { id, directory, disks }: LaunchSpec,
  readOnly: readonly string[],
  { owned = [], cache, patienceMs }: FirecrackerSettings,
  signal: AbortSignal,
): Promise<Start & { readonly network: boolean }> {
  const patience = patienceMs === undefined ? {} : { patienceMs };
  const plain = { writable: directory, readOnly, devices: ["/dev/kvm"] };
  if (choice.jailer !== null) {
    const opens = [relative(directory, disks.state), FILES.log];
    const user = { uid: jailUser(directory), gid: JAIL_GROUP };
    const tap = await tapCommand(cache, FILES.net, user, signal);
    const startedBy = tap === null ? [] : [tap.program, ...tap.args];
    const jail = jailerJail({ ...choice, startedBy, id, opens, owned });
    return { ...patience, jail, program, args: [], confinement: plain, network: tap !== null };
  }
  if (choice.refusal) throw unavailable(choice.refusal.reason, choice.refusal.fix);
  const args = ["--id", id];
  const tap = await tapCommand(cache, FILES.net, null, signal);
  if (tap === null) return { ...patience, program, args, confinement: plain, network: false };
  return {
    ...patience,
    program: tap.program,
    args: [...tap.args, program, ...args],
    confinement: { ...plain, readOnly: [...readOnly, program], devices: ["/dev/kvm", TUN] },
    network: true,
  };
}

/** A loaded machine has the interface that it was saved with, or none, whatever this host has for it. */
async function goOn(machine: FirecrackerMachine, load: Call, spec: LaunchSpec): Promise<void> {
  await machine.calls([load]);
  const network = await machine.hasNetwork();
  // Who is asked for a way out sees by this that there is nothing to carry frames of (src/network/nat.ts).
  if (!network) await rm(join(spec.directory, FILES.net), { force: true });
  await machine.calls(changedLimits(spec, network));
}

/** Starts the process, whose pipes are there, and begins with it. @returns once that is done; nothing is left when it fails */
async function startFirecracker(
  how: Start,
  spec: LaunchSpec,
  begin: (machine: FirecrackerMachine) => Promise<void>,
  signal: AbortSignal,
): Promise<FirecrackerMachine> {
  const { directory, accelerator } = spec;
  const console = await writeFifo(join(directory, FILES.console));
  const { jail } = how;
  const inside = jail && { inside: jail.inside(directory) };
  const handle = { driver: "firecracker", directory, accelerator, ...inside } as const;
  const command = {
    ...how,
    title: "Firecracker",
    // Its system call filter is on by default. "Info" is the level at which it tells that it ends, and why.
    args: [...how.args, "--api-sock", FILES.api, "--level", "Info", "--log-path", FILES.log],
    limits: monitorLimits(spec),
    stdout: console.fd,
    background: spec.template === true,
  };
  const machine = await startMonitor(command, (process) => connectMachine({ ...handle, ...process }), signal)
    .catch((error: unknown) => {
      throw jail && !signal.aborted ? jailerFailed(error as Error) : error;
    })
    .finally(() => console.close()); // at once: its end is how the end of all who hold it is seen
  return orGone(machine, begin);
}

function jailerFailed(error: Error): BangerError {
  if (error instanceof BangerError) return error;
  const fix =
    "see vmm.log in the VM's folder; `banger doctor` tells which jailer is used, jailer_bin names another";
  const facts = { driver: "Firecracker's jailer", what: "start it", reason: error.message, fix };
  return BangerError.of("driver_failed", facts, { cause: error });
}

const unavailable = (reason: string, fix: string) =>
  BangerError.of("driver_unavailable", { driver: "firecracker", reason, fix });

/** Does something with a machine; when that fails the machine is ended. */
async function orGone<M extends Machine>(machine: M, work: (machine: M) => Promise<void>): Promise<M> {
  try {
    await work(machine);
    return machine;
  } catch (error) {
    await machine.kill();
    throw error;
  }
}
