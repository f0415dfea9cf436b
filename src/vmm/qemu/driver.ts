/** The QEMU driver: probe, launch, adopt. */
import type { ChildProcess } from "node:child_process";
import { watch } from "node:fs";
import { open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BangerError } from "../../core/errors.ts";
import { isAlive, killProcess, startTime } from "../../host/processes.ts";
import { run, startDetached } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import { connectUnix } from "../../host/unix-socket.ts";
import type { Driver, DriverStatus, LaunchSpec, Machine, MachineHandle } from "../driver.ts";
import { bubblewrapArguments, usableBubblewrap } from "../jail/bubblewrap.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { qemuArguments, SOCKETS, tscFrequency } from "./arguments.ts";
import { connectMachine } from "./machine.ts";
import { Qmp } from "./qmp.ts";

const PROGRAM = "qemu-system-x86_64";
const OLDEST = 7;
const ANSWER_MS = 20_000;
const REFUSED_MS = 5;
const LOG = "vmm.log";

export const qemuDriver: Driver = {
  name: "qemu",
  features: { nested: true, growDisk: true },
  probe: () => {
    status ??= probe();
    return status;
  },
  launch,
  adopt,
  endStray,
};

let status: Promise<DriverStatus> | undefined;

async function probe(): Promise<DriverStatus> {
  const program = await findTool(PROGRAM);
  if (!program) {
    status = undefined; // it may be installed meanwhile
    return {
      usable: false,
      reason: `${PROGRAM} is not installed`,
      fix: "banger doctor --fix",
      packages: ["qemu-system-x86"],
    };
  }
  const version = /version (\d+)\.(\d+)\.(\d+)/.exec((await run(program, ["--version"])).stdout);
  if (!version || Number(version[1]) < OLDEST) {
    return {
      usable: false,
      reason: `QEMU ${version?.[0] ?? "of unknown version"} is too old, ${OLDEST}.0 is needed`,
      fix: "install a newer QEMU",
      packages: [],
    };
  }
  const { accelerator, why } = await chooseAccelerator();
  const jail = (await usableBubblewrap())
    ? ""
    : "; bubblewrap is missing or not permitted, so QEMU runs with its own sandbox only";
  return {
    usable: true,
    version: `QEMU ${version[1]}.${version[2]}.${version[3]}`,
    accelerator,
    why: why + jail,
  };
}

async function launch(spec: LaunchSpec, signal: AbortSignal): Promise<Machine> {
  const program = await findTool(PROGRAM);
  if (!program)
    throw BangerError.of("driver_unavailable", {
      driver: "qemu",
      reason: "it is not installed",
      fix: "banger doctor --fix",
    });
  await Promise.all(Object.values(SOCKETS).map((name) => rm(join(spec.directory, name), { force: true })));
  const qemu = [program, ...qemuArguments(spec, await tscKhz())];
  const bwrap = await usableBubblewrap();
  const [command = "", ...args] = bwrap ? [bwrap, ...bubblewrapArguments(confinement(spec), qemu)] : qemu;

  const log = await open(join(spec.directory, LOG), "w", 0o600);
  let child: ChildProcess & { readonly pid: number };
  try {
    child = await startDetached(command, args, { cwd: spec.directory, stdio: ["ignore", log.fd, log.fd] });
  } finally {
    await log.close();
  }
  const handle: MachineHandle = {
    driver: "qemu",
    pid: child.pid,
    pidStart: startTime(child.pid) ?? "",
    directory: spec.directory,
    accelerator: spec.accelerator,
  };
  try {
    return await untilAnswering(child, handle, signal);
  } catch (error) {
    killProcess(handle);
    await endStray(spec.directory);
    if (signal.aborted) throw error;
    const said = (await readFile(join(spec.directory, LOG), "utf8").catch(() => ""))
      .trim()
      .split("\n")
      .at(-1);
    throw new Error(said || (error as Error).message, { cause: error });
  }
}

function confinement(spec: LaunchSpec) {
  return {
    writable: spec.directory,
    readOnly: [spec.kernel, spec.initramfs, spec.disks.base, spec.disks.modules],
    devices: spec.accelerator === "kvm" ? ["/dev/kvm"] : [],
  };
}

/** QEMU makes its sockets while it starts: each change of the folder is a moment to try. Its own end stops the waiting. */
async function untilAnswering(
  child: ChildProcess,
  handle: MachineHandle,
  signal: AbortSignal,
): Promise<Machine> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  return new Promise((resolve, reject) => {
    const watcher = watch(handle.directory);
    let trying = false;
    let again = false;
    let finished = false;
    const finish = (settle: () => void) => {
      finished = true;
      watcher.close();
      child.off("exit", onExit);
      settle();
    };
    const onExit = (code: number | null, name: string | null) =>
      finish(() => reject(new Error(`QEMU ended at once (${name ?? exitText(code)})`)));
    const attempt = async () => {
      again = true;
      if (trying) return;
      trying = true;
      while (again && !finished) {
        again = false;
        const machine = await connectMachine(handle).catch(async (error: NodeJS.ErrnoException) => {
          // The last socket is there but not listened on yet. That it is, in a moment, changes nothing in the folder.
          if (error.code === "ECONNREFUSED") again = await delay(REFUSED_MS, true);
          return null;
        });
        if (machine) return finish(() => resolve(machine));
      }
      trying = false;
    };
    child.once("exit", onExit);
    stop.addEventListener("abort", () => finish(() => reject(stop.reason)), { once: true });
    watcher.on("change", () => void attempt());
    void attempt();
  });
}

/** A jail passes its inhabitant's death by a signal on as 128 + n. */
function exitText(code: number | null): string {
  return code !== null && code > 128 ? `killed by signal ${code - 128}` : `code ${code}`;
}

async function adopt(handle: MachineHandle): Promise<Machine | null> {
  if (!isAlive(handle)) return null;
  return connectMachine(handle).catch(() => {
    killProcess(handle); // alive, but nobody can control it any more
    return null;
  });
}

async function endStray(directory: string): Promise<void> {
  const socket = await connectUnix(join(directory, SOCKETS.qmp)).catch(() => null);
  if (!socket) return;
  const qmp = await Qmp.open(socket).catch(() => null);
  qmp?.execute("quit").catch(() => {});
  await qmp?.closed;
}

/** The host's time stamp counter frequency as far as the kernel tells it; null when it does not. */
async function tscKhz(): Promise<number | null> {
  const base = await readFile("/sys/devices/system/cpu/cpu0/cpufreq/base_frequency", "latin1").catch(
    () => "",
  );
  return tscFrequency(base, await readFile("/proc/cpuinfo", "latin1"));
}
