/**
 * The driver interface: what banger asks of a virtual machine monitor. Small on purpose; everything above it
 * (`src/vm`) knows VMs only through these types, everything below (`qemu/`) is private to the driver.
 */
import type { FileHandle } from "node:fs/promises";
import type { Duplex, Readable } from "node:stream";
import type { RateLimit } from "../core/rate-limit.ts";
import type { KillSignal } from "../core/signals.ts";
import type { DriverFeatures, Feature } from "./features.ts";

export type DriverName = "firecracker" | "qemu";
export type Accelerator = "kvm" | "tcg";

/** Whether a driver can be used on this host now, and why. */
export type DriverStatus =
  | {
      readonly usable: true;
      readonly version: string;
      readonly accelerator: Accelerator;
      readonly why: string;
      /** What is doubtful about it, and what to do, for `banger doctor`. */
      readonly caution?: string;
      /** What of its features cannot be had on this host, and why. */
      readonly lacks?: Readonly<Partial<Record<Feature, string>>>;
      /** How fast the host's counter counts that guests keep time by, in kHz; absent: they keep it by none of the host's. */
      readonly counterKhz?: number;
      /** It may be judged otherwise once there is more to judge by, see `AcceleratorChoice`. */
      readonly provisional?: boolean;
    }
  | {
      readonly usable: false;
      readonly reason: string;
      readonly fix: string;
      readonly packages: readonly string[];
      /** Somebody put it here, or named it in config.toml, and it cannot be used as it is. */
      readonly broken?: boolean;
    };

/** A kernel in the forms that drivers boot. */
export interface KernelFiles {
  /** As it came: a bzImage, or ELF. */
  readonly image: string;
  /** Uncompressed, and whether it can be entered directly (PVH); or why there is none. */
  readonly elf: { readonly path: string; readonly pvh: boolean } | { readonly problem: string };
}

export interface LaunchSpec {
  /** Stable id, used in process titles only. */
  readonly id: string;
  /** The VM's own folder, mode 0700: the only place the monitor may write. Sockets and pid files are made here. */
  readonly directory: string;
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly accelerator: Accelerator;
  readonly kernel: KernelFiles;
  readonly initramfs: string;
  /** Further kernel arguments, e.g. `banger.init=…`. */
  readonly kernelArgs: readonly string[];
  /** Disks; base and modules are shared and read-only. A kernel with everything built in has no modules. */
  readonly disks: { readonly base: string; readonly state: string; readonly modules: string | null };
  readonly nested: boolean;
  /** Its state will be saved once and restored many times: the driver may lay its memory out so that this is quick. */
  readonly template?: boolean;
  /** How fast the state disk may be used, reading and writing together. */
  readonly diskRate: RateLimit | null;
  /** How fast the network may be used, each way. A driver need not keep it: who carries the frames does. */
  readonly netRate: RateLimit | null;
}

/** The disks that several VMs read. */
export const sharedDisks = ({ disks }: LaunchSpec): string[] =>
  disks.modules === null ? [disks.base] : [disks.base, disks.modules];

/** Plain data that finds a running monitor again after a daemon restart. Stored with the VM. */
export interface MachineHandle {
  readonly driver: DriverName;
  /** Process id of the outermost process and its start time (clock ticks since boot, /proc/PID/stat field 22). */
  readonly pid: number;
  readonly pidStart: string;
  readonly directory: string;
  /** Where its sockets are, when not in the VM's folder. */
  readonly inside?: string;
  readonly accelerator: Accelerator;
}

/** How a monitor ended. `reason` is one sentence for people. */
export interface MachineExit {
  readonly expected: boolean;
  readonly reason: string;
}

/** What a machine goes on from. */
export interface SavedState {
  /** What `Machine.saveState` wrote. It is only read; it may be anywhere, and shared by several machines. */
  readonly folder: string;
  /** The memory that is not in the folder: of another machine, which stands still. */
  readonly memory?: FileHandle;
  /** Called as soon as no more is read of either: from then on they may be gone, and the other machine go on. */
  readonly onTaken?: () => void;
}

/** A running virtual machine. */
export interface Machine {
  readonly handle: MachineHandle;
  /**
   * Opens the agent channel. One connection at a time; the caller speaks the sync of docs/protocol.md.
   * @param signal ends the waiting for an agent that does not listen (yet); the channel itself outlives it
   * @throws guest_unreachable
   */
  connectAgent(signal?: AbortSignal): Promise<Duplex>;
  /** Raw bytes of the serial console from now on. One reader at a time; ends with the machine. */
  readonly console: Readable;
  /** Resolves once when the monitor is gone, however it went; never rejects. Event driven (socket close), not polled. */
  readonly exited: Promise<MachineExit>;
  /** Whether the monitor still answers; false once it is gone, also when it is just going. */
  answers(): Promise<boolean>;
  /** Ends the monitor at once and waits until it is gone. Idempotent. */
  kill(): Promise<void>;
  /** Stops the vcpus; the guest notices nothing until it goes on. Idempotent. @throws driver_failed */
  pause(): Promise<void>;
  /** Lets a paused machine go on. Idempotent. @throws driver_failed */
  resume(): Promise<void>;
  /**
   * Writes memory and devices of the paused machine, which stays paused, to files in `folder`: an empty one within the VM's own
   * folder (a jailed monitor can write nowhere else). The disk is not part of it: copy it while the machine is paused.
   * @param without what is not to be written, where `openMemory` gives it; the folder may be anywhere then
   * @throws driver_failed; what was written by then is the caller's to remove
   */
  saveState(folder: string, signal: AbortSignal, without?: "memory"): Promise<void>;
  /**
   * The machine's memory, for another one that is to go on from it while this one is paused; null where only the monitor itself
   * can read it. The caller closes it.
   */
  openMemory(): Promise<FileHandle | null>;
  /**
   * How many bytes on disk `saveState` may take if it were called now, at worst; of the devices, which take less than a MiB, not told.
   * @param memoryMib what the machine was started with
   */
  stateBytes(memoryMib: number): Promise<number>;
  /**
   * Sends the monitor's own process (not its jail) a signal that ends it, another one where it does not take that, and returns;
   * nothing happens when it is gone.
   */
  signal(signal: KillSignal): void;
  /** Tells the guest that its state disk has a new size, after the file was grown. */
  stateDiskResized(bytes: number): Promise<void>;
  /** Resident memory of the monitor in bytes (0 when gone). */
  residentBytes(): Promise<number>;
}

export interface Driver {
  readonly name: DriverName;
  readonly features: DriverFeatures;
  /** Most vcpus of a VM. */
  readonly maxVcpu: number;
  probe(): Promise<DriverStatus>;
  /**
   * Starts the monitor and returns as soon as it answers; the guest boots on.
   * On failure nothing is left: no process, no socket. @throws boot_failed | driver_unavailable
   */
  launch(spec: LaunchSpec, signal: AbortSignal): Promise<Machine>;
  /**
   * Starts a monitor from what `saveState` wrote and returns the machine paused, its agent channel new.
   * @param spec as it was saved with: same sizes, same base and modules, and a state disk equal to that of the moment of saving
   * On failure nothing is left. @throws driver_failed | driver_unavailable
   */
  restore(spec: LaunchSpec, saved: SavedState, signal: AbortSignal): Promise<Machine>;
  /** Finds a monitor again by pid + start time + socket; null when it is not (any more) that process. */
  adopt(handle: MachineHandle): Promise<Machine | null>;
}
