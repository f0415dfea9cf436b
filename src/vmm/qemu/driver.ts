/** The QEMU driver: launch, restore, adopt. */
import { BangerError } from "../../core/errors.ts";
import { silent } from "../../core/stage.ts";
import { MIB } from "../../core/units.ts";
import { ensureAgentBinary } from "../../disk/agent-binary.ts";
import { exists } from "../../host/files.ts";
import { isAlive, killProcess } from "../../host/processes.ts";
import type { AcceleratorChoice } from "../accelerator.ts";
import {
  type Driver,
  type LaunchSpec,
  type Machine,
  type MachineHandle,
  type SavedState,
  sharedDisks,
} from "../driver.ts";
import { monitorLimits } from "../jail/limits.ts";
import { lastWords, PASSED_ON, type Preparation, removeEndpoints, startMonitor } from "../monitor-process.ts";
import { rememberStatus } from "../remember-status.ts";
import { type Emulator, kernelFile, type MemoryPlace, qemuArguments } from "./arguments.ts";
import { hostTimeStampCounter } from "./host-clock.ts";
import { connectMachine, type QemuMachine } from "./machine.ts";
import { findQemu, probeQemu, sharesTranslations } from "./probe.ts";
import { memoryFile, stateFile } from "./state-file.ts";

/** Of the machine type microvm. */
const MAX_VCPU = 288;
/** Starts with the machine stopped, waiting for a state to load. */
const RESTORE = ["-S", "-incoming", "defer"];

export interface QemuSettings {
  /** `qemu_bin` of config.toml. */
  readonly program: string | undefined;
  /** banger's cache folder. */
  readonly cache: string;
  readonly accelerator: () => Promise<AcceleratorChoice>;
}

export function qemuDriver({ program: configured, cache, accelerator }: QemuSettings): Driver {
  const probe = rememberStatus(() => probeQemu(configured, accelerator));
  const begin = async (spec: LaunchSpec, beginning: Beginning, signal: AbortSignal) => {
    const [program, status, counter] = await Promise.all([
      findQemu(configured),
      probe(),
      hostTimeStampCounter(),
    ]);
    const emulator = { counter, sharesTranslations: status.usable && sharesTranslations(status.version) };
    return start(program, spec, emulator, beginning, signal);
  };
  return {
    name: "qemu",
    maxVcpu: MAX_VCPU,
    features: {
      emulation: true,
      nested: true,
      nat: true,
      netRate: true,
      diskRate: true,
      growDisk: true,
      pause: true,
      snapshot: true,
    },
    probe,
    launch: (spec, signal) => begin(spec, { memory: bootMemory(spec) }, signal),
    restore: async (spec, saved, signal) => {
      const apart = saved.memory !== undefined || (await exists(memoryFile(saved.folder)));
      const preparation = await lending(cache, spec, saved, apart, signal);
      const memory = apart ? "inherited" : "own";
      return loaded(begin(spec, { memory, preparation }, signal), signal);
    },
    adopt,
  };
}

/**
 * A file can be copied by this process when the machine is saved, which takes a tenth of the time that QEMU takes. With KVM the
 * monitor's own is better: the host has huge pages for that alone.
 */
function bootMemory({ template, accelerator }: LaunchSpec): MemoryPlace {
  if (template) return "folder";
  return accelerator === "tcg" ? "unnamed" : "own";
}

/** @throws driver_failed; no monitor is left then */
async function loaded(starting: Promise<QemuMachine>, signal: AbortSignal): Promise<Machine> {
  const machine = await starting.catch((error: Error) => {
    throw signal.aborted || error instanceof BangerError ? error : unloadable(error.message, error);
  });
  try {
    await machine.loadState();
    return machine;
  } catch (error) {
    await machine.kill();
    const said = await lastWords(machine.handle.directory);
    throw error instanceof BangerError && said ? unloadable(said, error) : error;
  }
}

function unloadable(reason: string, cause: unknown): BangerError {
  const fix = "a state can only be loaded by the QEMU version and with the sizes that it was saved with";
  return BangerError.of(
    "driver_failed",
    { driver: "QEMU", what: "load the saved state", reason, fix },
    { cause },
  );
}

/** What a machine begins with. */
interface Beginning {
  readonly memory: MemoryPlace;
  /** Makes the memory and the state that it inherits. */
  readonly preparation?: Preparation;
}

/** Who starts from saved files gets what is in them, not the files: what a monitor could open again and write is nobody else's. */
async function lending(
  cache: string,
  { memoryMib }: LaunchSpec,
  { folder, memory, onTaken: onDone }: SavedState,
  apart: boolean,
  signal: AbortSignal,
): Promise<Preparation> {
  const agent = await ensureAgentBinary({ cache }, { report: silent, signal });
  if (!apart) return { command: [agent, "--lend-stream", stateFile(folder)], onDone };
  const [from, place] = memory ? [memory.fd, String(PASSED_ON)] : [undefined, memoryFile(folder)];
  return { command: [agent, "--lend", stateFile(folder), place, String(memoryMib * MIB)], from, onDone };
}

async function start(
  program: Awaited<ReturnType<typeof findQemu>>,
  spec: LaunchSpec,
  emulator: Emulator,
  { memory, preparation }: Beginning,
  signal: AbortSignal,
): Promise<QemuMachine> {
  if (program.path === null) {
    const { problem: reason, fix } = program;
    throw BangerError.of("driver_unavailable", { driver: "qemu", reason, fix });
  }
  const { image, elf } = spec.kernel;
  if ("path" in elf && elf.path === image && !elf.pvh) {
    const reason = `kernel ${image} is ELF without a PVH entry (CONFIG_PVH)`;
    throw BangerError.of("driver_unavailable", { driver: "qemu", reason, fix: "import its bzImage" });
  }
  await removeEndpoints(spec.directory);
  const command = {
    title: "QEMU",
    program: program.path,
    args: [...qemuArguments(spec, emulator, memory), ...(preparation ? RESTORE : [])],
    confinement: {
      writable: spec.directory,
      readOnly: [kernelFile(spec.kernel), spec.initramfs, ...sharedDisks(spec)],
      devices: spec.accelerator === "kvm" ? ["/dev/kvm"] : [],
    },
    limits: monitorLimits(spec),
    background: spec.template === true,
    ...(preparation && { preparation }),
  };
  const handle = { driver: "qemu", directory: spec.directory, accelerator: spec.accelerator } as const;
  return startMonitor(command, (process) => connectMachine({ ...handle, ...process }, memory), signal);
}

async function adopt(handle: MachineHandle): Promise<Machine | null> {
  if (!isAlive(handle)) return null;
  return connectMachine(handle).catch(() => {
    killProcess(handle); // alive, but nobody can control it any more
    return null;
  });
}
