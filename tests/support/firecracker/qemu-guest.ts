/**
 * A real guest: QEMU, in software unless the plan has KVM, boots exactly what was configured: the ELF kernel, the command line, the drives in their
 * order and with serials that say nothing, as Firecracker has them. The vsock device is played by a serial port.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createInterface } from "node:readline";
import type { RateLimit } from "../../../src/core/rate-limit.ts";
import { untilListening } from "../../../src/daemon/listen.ts";
import { connectUnix } from "../../../src/host/unix-socket.ts";
import type { Accelerator } from "../../../src/vmm/driver.ts";
import type { TokenBucket } from "../../../src/vmm/firecracker/api.ts";
import { AGENT_PORT, qemuArguments, SOCKETS } from "../../../src/vmm/qemu/arguments.ts";
import { Qmp } from "../../../src/vmm/qemu/qmp.ts";
import { loadMachine, saveMachine, stateFile } from "../../../src/vmm/qemu/state-file.ts";
import type { Configured, Guest, GuestEvents } from "./guest.ts";

const START_MS = 20_000;
const KERNEL_HZ = 250;
/** What an emulated guest's kernel needs, which one on Firecracker never is (src/vmm/qemu/arguments.ts, docs/adr/0017). */
const EMULATED = ["no_timer_check", "cgroup.memory=nosocket", "norandmaps"];

/** @param memory a file that `save` wrote: the guest goes on from there, paused */
export async function startQemuGuest(
  configured: Configured,
  events: GuestEvents,
  accelerator: Accelerator,
  memory?: string,
): Promise<Guest> {
  const state = memory === undefined ? null : await open(memory, "r");
  const more = state ? ["-S", "-incoming", "defer"] : [];
  const stderr = await open("qemu.log", "w");
  // The keyboard controller is there for the reset alone, which is how a guest ends itself: one that is powered off only stands still.
  const ends = ["-device", "i8042", "-action", "shutdown=pause"];
  const child = spawn("qemu-system-x86_64", [...argumentsOf(configured, accelerator), ...ends, ...more], {
    stdio: ["ignore", "ignore", stderr.fd, ...(state ? [state.fd] : [])],
  });
  child.once("exit", events.onReset);
  await untilListening(resolve(SOCKETS.qmp), START_MS);
  const control = await connectUnix(SOCKETS.qmp);
  const qmp = await Qmp.open(control);
  (await connectUnix(SOCKETS.console)).on("data", events.onConsole);
  createInterface({ input: control })
    .on("error", () => {}) // of the socket's, which is Qmp's
    .on("line", (line) => {
      if (/"SHUTDOWN"/.test(line) && !/"guest-shutdown"/.test(line)) child.kill("SIGKILL");
    });
  let listens = state !== null;
  let bridge: Awaited<ReturnType<typeof connectUnix>> | null = null;
  qmp.onPort = (id, isOpen) => {
    if (id !== AGENT_PORT) return;
    listens = isOpen;
    if (isOpen) events.onListening();
    else bridge?.destroy();
  };
  if (state) await loadMachine(qmp, false);
  await state?.close();
  await stderr.close();
  return {
    connect: async (port) => {
      if (port !== 7000 || !listens) return null;
      if (bridge && !bridge.closed) await once(bridge.destroy(), "close"); // one host at a time
      bridge = await connectUnix(SOCKETS.agent);
      return bridge;
    },
    pause: async () => void (await qmp.execute("stop")),
    resume: async () => void (await qmp.execute("cont")),
    save: async (target) => {
      const folder = `${target}.saving`;
      await mkdir(folder);
      await saveMachine(qmp, { directory: process.cwd() }, folder, new AbortController().signal);
      await rename(stateFile(folder), target);
      await rm(folder, { recursive: true });
    },
    resized: async (drive) => {
      const file = configured.drives.find(({ drive_id }) => drive_id === drive)?.path_on_host ?? "";
      await qmp.execute("block_resize", { device: drive, size: (await stat(file)).size });
    },
    end: () => void child.kill("SIGKILL"),
  };
}

/** The driver's own arguments for a like machine, with what Firecracker does otherwise. */
function argumentsOf({ machine, boot, drives, network }: Configured, accelerator: Accelerator): string[] {
  const path = (id: string) => drives.find(({ drive_id }) => drive_id === id)?.path_on_host ?? "";
  const directory = dirname(resolve(path("state")));
  const args = qemuArguments(
    {
      id: "double",
      directory,
      vcpu: machine.vcpu_count,
      memoryMib: machine.mem_size_mib,
      accelerator,
      kernel: { image: "", elf: { path: boot?.kernel_image_path ?? "", pvh: true } },
      initramfs: boot?.initrd_path ?? "",
      kernelArgs: [],
      disks: { base: path("base"), state: path("state"), modules: path("modules") || null },
      nested: false,
      diskRate: rateOf(drives.find(({ drive_id }) => drive_id === "state")),
      netRate: null, // the guard keeps it, too
    },
    { counter: null, sharesTranslations: true },
  );
  args[args.indexOf("-append") + 1] = [boot?.boot_args ?? "", ...EMULATED, ...clock()].join(" ");
  replaceNetwork(args, network);
  return args.map((argument) =>
    argument.replace(/serial=(\w+)$/, (_, id: string) => `serial=4711-${id.length}`),
  );
}

/** The tap that it was given, with all that one offers (segmentation, checksums) as Firecracker does, in place of QEMU's socket. */
function replaceNetwork(args: string[], network: Configured["network"]): void {
  const at = args.indexOf("-netdev");
  const tap = `tap,id=net,ifname=${network?.host_dev_name},script=no,downscript=no`;
  const device = `virtio-net-device,netdev=net,mac=${network?.guest_mac},guest_announce=off`;
  args.splice(at, 4, ...(network ? ["-netdev", tap, "-device", device] : []));
}

/** The limiter of a drive, as the rate that it comes to. */
function rateOf(drive: Configured["drives"][number] | undefined): RateLimit | null {
  const limiter = drive?.rate_limiter;
  if (!limiter) return null;
  const perSecond = ({ size, refill_time }: TokenBucket) => Math.round((size * 1000) / refill_time);
  return {
    bytesPerSecond: perSecond(limiter.bandwidth),
    burstBytes: null,
    opsPerSecond: limiter.ops ? perSecond(limiter.ops) : null,
  };
}

/** Software emulation only: what the kernel would otherwise measure against a busy host. */
function clock(): string[] {
  const khz = process.env.DOUBLE_TSC_KHZ;
  return khz ? [`tsc_early_khz=${khz}`, `lpj=${Math.round((Number(khz) * 1000) / KERNEL_HZ)}`] : [];
}
