/** QEMU's command line for a VM. Pure. Socket names are relative: QEMU runs in the VM's folder, so their length never matters. */
import type { RateLimit } from "../../core/rate-limit.ts";
import type { KernelFiles, LaunchSpec } from "../driver.ts";
import type { TimeStampCounter } from "./host-clock.ts";

export const SOCKETS = {
  agent: "agent.sock",
  console: "console.sock",
  qmp: "qmp.sock",
  net: "net.sock",
} as const;

/** QEMU's id of the port that the agent opens. */
export const AGENT_PORT = "agent-port";

/** Where guest memory is: the monitor's own, a file without a name, one in its folder, or what it inherited as a descriptor. */
export type MemoryPlace = "own" | "unnamed" | "folder" | "inherited";

/** In the folder of a machine whose memory is to be kept as a template. */
export const MEMORY_FILE = "memory";

/** The descriptor that guest/lend.h passes on. */
const LENT = "/proc/self/fd/4";

/** What Linux calls guest memory that is a file without a name: of guest/lend.h, of QEMU's own making. */
export const MEMORY_NAMES = ["/memfd:banger", "/memfd:memory-backend-memfd"];

/** With acpi=on it leaves PIT and PIC off by itself; without them Debian's kernel hangs in TSC calibration under TCG. */
export const MACHINE = "microvm,acpi=on,pit=on,pic=on,rtc=on,isa-serial=on,x-option-roms=off";
/** What loads a kernel without option ROMs. The machine's own default is another one from some packages of QEMU 10. */
export const FIRMWARE = ["-bios", "qboot.rom"];

/** CONFIG_HZ of Debian's kernels: loops per jiffy follow from the frequency. */
const KERNEL_HZ = 250;

/** What an emulated guest's kernel has to know of what emulates it. */
export interface Emulator {
  /** The host's, which it reads; null when it is not known. */
  readonly counter: TimeStampCounter | null;
  /** Whether a program that lies somewhere else the next time is not translated anew (docs/adr/0023). */
  readonly sharesTranslations: boolean;
}

export function qemuArguments(spec: LaunchSpec, emulator: Emulator, memory: MemoryPlace = "own"): string[] {
  const kvm = spec.accelerator === "kvm";
  return [
    ...["-M", `${MACHINE},memory-backend=ram`, ...FIRMWARE],
    ...["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"],
    ...["-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ...["-accel", kvm ? "kvm" : "tcg,thread=multi", "-cpu", cpuModel(spec)],
    ...["-smp", String(spec.vcpu), "-m", `${spec.memoryMib}M`],
    ...["-object", memoryBackend(spec, memory)],
    // Who inherits its memory has booted; reading the kernel again would take longer than all the rest.
    ...(memory === "inherited" ? [] : bootArguments(spec, emulator)),
    ...disk("base", spec.disks.base, "readonly=on"),
    // cache=writeback: a sync in the guest is an fsync on the host; discard gives freed blocks back.
    ...disk(
      "state",
      spec.disks.state,
      `cache=writeback,discard=unmap,detect-zeroes=unmap${throttling(spec.diskRate)}`,
    ),
    ...(spec.disks.modules === null ? [] : disk("modules", spec.disks.modules, "readonly=on")),
    // A port for a console, which nothing uses, and the agent's. By default there are 31, whose 62 queues each boot would set up.
    ...["-device", "virtio-rng-device", "-device", "virtio-serial-device,max_ports=2"],
    ...listener("agent", SOCKETS.agent),
    ...["-device", `virtserialport,chardev=agent,name=banger.agent,id=${AGENT_PORT}`],
    // Nobody connected: what the guest sends is lost. Who connects (src/network/nat.ts) carries the frames; QEMU itself stays in
    // its jail without one. Frames of 64 KiB, because each costs the same.
    ...["-netdev", `stream,id=net,server=on,addr.type=unix,addr.path=${SOCKETS.net}`],
    ...["-device", "virtio-net-device,netdev=net,host_mtu=65520,guest_announce=off"],
    // Nobody connected: QEMU drops console output, so a guest never waits and the host's disk is never filled.
    ...listener("console", SOCKETS.console),
    ...["-serial", "chardev:console"],
    ...listener("qmp", SOCKETS.qmp),
    ...["-mon", "chardev=qmp,mode=control"],
  ];
}

function bootArguments(spec: LaunchSpec, emulator: Emulator): string[] {
  const files = ["-kernel", kernelFile(spec.kernel), "-initrd", spec.initramfs];
  return [...files, "-append", kernelCommandLine(spec, emulator)];
}

/** Of the same name in all cases: a state finds its memory by it. */
function memoryBackend({ memoryMib }: LaunchSpec, place: MemoryPlace): string {
  const size = `id=ram,size=${memoryMib}M`;
  if (place === "own") return `memory-backend-ram,${size}`;
  if (place === "unnamed") return `memory-backend-memfd,${size},share=on`;
  return `memory-backend-file,${size},share=on,mem-path=${place === "folder" ? MEMORY_FILE : LENT}`;
}

/** The ELF kernel, where QEMU can enter it: the guest then need not unpack itself. */
export const kernelFile = ({ image, elf }: KernelFiles): string =>
  "path" in elf && elf.pvh ? elf.path : image;

function cpuModel(spec: LaunchSpec): string {
  if (spec.accelerator === "kvm") return "host";
  // "max" has svm in it: a kernel with KVM built in would take 0.4 s to set it up. It has erms, which says that bytes are moved
  // fast: a kernel then copies with an instruction that is emulated byte by byte, and takes three times as long for it. In newer
  // versions it has fsrm, which says the same of few bytes: with that alone Linux 6.1 loops in memmove forever. And it has
  // la57: a kernel entered as bzImage then has page tables of five levels, with which Linux 6.1.192 on QEMU 7.2 goes astray.
  return `max,-erms,-fsrm,-la57,${spec.nested ? "+svm,+npt" : "-svm"}`;
}

/**
 * What an emulated guest's kernel would otherwise measure, which can hang its early boot while the host is busy; and that it can keep time
 * by the counter, where it can: with several processors it would not believe it, and count its own ticks instead (docs/adr/0024).
 */
export function emulatedClock(counter: TimeStampCounter | null): string[] {
  if (counter === null) return [];
  const { khz, reliable } = counter;
  const measured = [`tsc_early_khz=${khz}`, `lpj=${Math.round((khz * 1000) / KERNEL_HZ)}`];
  return reliable ? [...measured, "tsc=reliable"] : measured;
}

export function kernelCommandLine(spec: LaunchSpec, { counter, sharesTranslations }: Emulator): string {
  const emulated = spec.accelerator === "tcg";
  return [
    "console=ttyS0",
    "quiet",
    "panic=-1",
    "no_timer_check",
    "cryptomgr.notests",
    ...(emulated ? emulatedClock(counter) : []),
    // Counting it makes the kernel change its code while programs use the network (docs/adr/0017).
    ...(emulated ? ["cgroup.memory=nosocket"] : []),
    ...(emulated && !sharesTranslations ? ["norandmaps"] : []),
    ...spec.kernelArgs,
  ].join(" ");
}

function disk(name: string, file: string, options: string): string[] {
  // In QEMU's option syntax a comma within a value is written twice.
  const drive = `id=${name},if=none,format=raw,${options},file=${file.replaceAll(",", ",,")}`;
  return ["-drive", drive, "-device", `virtio-blk-device,drive=${name},serial=${name}`];
}

/** QEMU takes a tenth of a second's worth for a burst by itself; one of its own is what goes within a second after a rest. */
function throttling(rate: RateLimit | null): string {
  if (rate === null) return "";
  const burst = rate.burstBytes === null ? "" : `,throttling.bps-total-max=${rate.burstBytes}`;
  const ops = rate.opsPerSecond === null ? "" : `,throttling.iops-total=${rate.opsPerSecond}`;
  return `,throttling.bps-total=${rate.bytesPerSecond}${burst}${ops}`;
}

function listener(id: string, path: string): string[] {
  return ["-chardev", `socket,id=${id},path=${path},server=on,wait=off`];
}
