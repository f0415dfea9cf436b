/** What every VM pipeline works with. Made once by the daemon's composition root. */
import type { Config } from "../core/config.ts";
import type { Slots } from "../core/slots.ts";
import type { Work } from "../core/stage.ts";
import type { Paths } from "../host/paths.ts";
import type { Supplies } from "../host/supplies.ts";
import type { Image } from "../images/store.ts";
import type { Kernel } from "../kernels/store.ts";
import type { Nats } from "../network/nats.ts";
import type { PublishedPorts } from "../network/published-ports.ts";
import type { SnapshotStore } from "../snapshots/store.ts";
import type { VmRepository } from "../store/vms.ts";
import type { WorkspaceRepository } from "../store/workspaces.ts";
import type { KernelFiles } from "../vmm/driver.ts";
import type { Drivers } from "../vmm/drivers.ts";
import type { BusyVms } from "./busy.ts";
import type { ConsoleLog } from "./console-log.ts";
import type { Deadlines } from "./deadlines.ts";
import type { LiveVms } from "./live-vm.ts";
import type { SshAccess } from "./ssh-access.ts";
import type { Standby } from "./standby.ts";
import type { WarmKeeper } from "./warm-keeper.ts";

export interface ImageSource {
  /** The image, obtained first when it is not here. */
  ensure(name: string, work: Work): Promise<Image>;
  /** An image that a VM uses. @throws image_not_found */
  get(digest: string): Promise<Image>;
  /** Passes for an image that can be booted. @throws image_changed */
  requireUnchanged(image: Image): Promise<void>;
}

export interface KernelSource {
  ensure(name: string, work: Work): Promise<Kernel>;
  get(digest: string): Promise<Kernel>;
}

/** What banger itself puts in front of the image's root. */
export interface BootFiles {
  /** What drivers boot, unpacked first when it is not cached. */
  kernel(kernel: Kernel): Promise<KernelFiles>;
  /** Path of the initramfs for this kernel, made first when it is not cached. */
  initramfs(kernel: Kernel, work: Work): Promise<string>;
  /** Makes a new state disk of `bytes` at `target`. @throws no_space */
  makeStateDisk(bytes: number, target: string, work: Work): Promise<void>;
}

export interface Log {
  info(facts: object, message: string): void;
  warn(facts: object, message: string): void;
  error(facts: object, message: string): void;
}

export interface VmContext {
  readonly paths: Paths;
  /** As last read. */
  readonly config: Config;
  /** Reads it again: what makes or starts a VM goes by the file as it is now. @throws invalid_config */
  readConfig(): Promise<Config>;
  readonly vms: VmRepository;
  readonly workspaces: WorkspaceRepository;
  readonly images: ImageSource;
  readonly kernels: KernelSource;
  readonly bootFiles: BootFiles;
  readonly drivers: Drivers;
  readonly live: LiveVms;
  readonly busy: BusyVms;
  readonly ports: PublishedPorts;
  readonly ssh: SshAccess;
  readonly deadlines: Deadlines;
  readonly supplies: Supplies;
  /** For VMs that go on from a saved state, which is all computing: many at a time would only get in each other's way. */
  readonly starts: Slots;
  readonly nats: Nats;
  readonly warm: WarmKeeper;
  readonly standby: Standby;
  readonly snapshots: SnapshotStore;
  readonly log: Log;
  /** The console log of a VM, running or not. */
  consoleOf(id: string): ConsoleLog;
  forgetConsole(id: string): void;
}
