/** The Firecracker driver: launch, restore, adopt. */
import { rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { BangerError } from "../../core/errors.ts";
import { makeFifos, writeFifo } from "../../host/fifo.ts";
import { isAlive, killProcess } from "../../host/processes.ts";
import type { AcceleratorChoice } from "../accelerator.ts";
import { type Driver, type LaunchSpec, type Machine, sharedDisks } from "../driver.ts";
import { monitorLimits } from "../jail/limits.ts";
import { startMonitor } from "../monitor-process.ts";
import { rememberStatus } from "../remember-status.ts";
import type { Call } from "./api.ts";
import { changedLimit, configuration, FILES, SAVED, START } from "./boot.ts";
import { connectMachine, type FirecrackerMachine, findMachine } from "./machine.ts";
import { findFirecracker, probeFirecracker } from "./probe.ts";

export interface FirecrackerSettings {
  /** `firecracker_bin` of config.toml. */
  readonly program: string | undefined;
  readonly accelerator: () => Promise<AcceleratorChoice>;
}

/** What its API takes (`vcpu_count`). */
const MAX_VCPU = 32;

export function firecrackerDriver({ program, accelerator }: FirecrackerSettings): Driver {
  const start = async (
    spec: LaunchSpec,
    calls: readonly Call[],
    readOnly: readonly string[],
    signal: AbortSignal,
  ) => {
    const found = await findFirecracker(program);
    if (found.path === null) {
      const { problem: reason, fix } = found;
      throw BangerError.of("driver_unavailable", { driver: "firecracker", reason, fix });
    }
    return startFirecracker(found.path, spec, calls, readOnly, signal);
  };
  return {
    name: "firecracker",
    features: {
      emulation: false,
      nested: false,
      nat: false,
      netRate: false,
      diskRate: true,
      growDisk: true,
      pause: true,
      snapshot: true,
    },
    maxVcpu: MAX_VCPU,
    probe: rememberStatus(() => probeFirecracker(program, accelerator)),
    launch: async (spec, signal) => {
      const { elf } = spec.kernel;
      if ("problem" in elf) {
        const fix = "choose another --kernel, or --driver qemu";
        const reason = `kernel ${spec.kernel.image}: ${elf.problem}`;
        throw BangerError.of("driver_unavailable", { driver: "firecracker", reason, fix });
      }
      const { initramfs, disks } = spec;
      const shared = { kernel: elf.path, initramfs, base: disks.base, modules: disks.modules };
      const state = relative(spec.directory, disks.state);
      const machine = await start(
        spec,
        configuration(spec, { ...shared, state }),
        Object.values(shared).filter((path) => path !== null),
        signal,
      );
      return orGone(machine, () => machine.calls([START]));
    },
    restore: async (spec, folder, signal) => {
      const load: Call = {
        name: "PUT /snapshot/load",
        body: {
          snapshot_path: join(folder, SAVED.devices),
          mem_backend: { backend_type: "File", backend_path: join(folder, SAVED.memory) },
          resume_vm: false,
        },
      };
      return start(spec, [load, changedLimit(spec.diskRate)], [...sharedDisks(spec), folder], signal);
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

/** Starts the process and makes the calls. @returns once all are answered; nothing is left when one is refused */
async function startFirecracker(
  program: string,
  spec: LaunchSpec,
  calls: readonly Call[],
  readOnly: readonly string[],
  signal: AbortSignal,
): Promise<FirecrackerMachine> {
  const at = (name: string) => join(spec.directory, name);
  await Promise.all([
    makeFifos([at(FILES.console), at(FILES.log)]),
    ...[FILES.api, FILES.vsock].map((name) => rm(at(name), { force: true })),
  ]);
  const console = await writeFifo(at(FILES.console));
  const handle = { driver: "firecracker", directory: spec.directory, accelerator: spec.accelerator } as const;
  const command = {
    title: "Firecracker",
    program,
    // Its system call filter is on by default. "Info" is the level at which it tells that it ends, and why.
    args: ["--api-sock", FILES.api, "--id", spec.id, "--level", "Info", "--log-path", FILES.log],
    confinement: { writable: spec.directory, readOnly, devices: ["/dev/kvm"] },
    limits: monitorLimits(spec),
    stdout: console.fd,
    background: spec.template === true,
  };
  const machine = await startMonitor(
    command,
    (process) => connectMachine({ ...handle, ...process }),
    signal,
  ).finally(() => console.close()); // at once: its end is how the end of all who hold it is seen
  return orGone(machine, () => machine.calls(calls));
}

/** Does something with a machine; when that fails the machine is ended. */
async function orGone<M extends Machine>(machine: M, work: () => Promise<void>): Promise<M> {
  try {
    await work();
    return machine;
  } catch (error) {
    await machine.kill();
    throw error;
  }
}
