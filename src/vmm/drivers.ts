/** All drivers of this host's configuration, and the choice among them. */
import { BangerError } from "../core/errors.ts";
import { chooseAccelerator, kvmFacts } from "./accelerator.ts";
import type { Driver, DriverStatus, KernelFiles } from "./driver.ts";
import { type Feature, lacks, requireFeatures } from "./features.ts";
import { firecrackerDriver } from "./firecracker/driver.ts";
import { proveKvm } from "./kvm-proof.ts";
import { kernelFile } from "./qemu/arguments.ts";
import { qemuDriver } from "./qemu/driver.ts";
import { findQemu } from "./qemu/probe.ts";

/** Keys of config.toml that drivers look at. */
export interface DriverConfig {
  readonly firecracker_bin?: string | undefined;
  readonly jailer_bin?: string | undefined;
  readonly qemu_bin?: string | undefined;
}

export interface Selected {
  readonly driver: Driver;
  readonly status: Extract<DriverStatus, { usable: true }>;
}

export class Drivers {
  readonly #drivers: readonly Driver[];

  /** @param drivers in order of preference */
  constructor(drivers: readonly Driver[]) {
    this.#drivers = drivers;
  }

  all(): readonly Driver[] {
    return this.#drivers;
  }

  /** @throws driver_unavailable for a name that no driver has */
  byName(name: string): Driver {
    const driver = this.#drivers.find((candidate) => candidate.name === name);
    if (driver) return driver;
    const names = this.#drivers.map((candidate) => candidate.name).join(", ");
    throw BangerError.of("driver_unavailable", {
      driver: name,
      reason: "there is no such driver",
      fix: `choose one of: ${names}, auto`,
    });
  }

  /**
   * The driver named, or with `auto` the first that has the features and can be used.
   * @throws driver_unavailable | host_packages_missing
   */
  async select(wanted: string, features: readonly Feature[] = []): Promise<Selected> {
    if (wanted !== "auto") requireFeatures(this.byName(wanted), features);
    const candidates =
      wanted === "auto"
        ? this.#drivers.filter((driver) => features.every((feature) => driver.features[feature]))
        : [this.byName(wanted)];
    let refusal: BangerError | null = null;
    for (const driver of candidates) {
      const status = await driver.probe();
      if (status.usable) {
        const lacking = features.find((feature) => status.lacks?.[feature]);
        if (lacking === undefined) return { driver, status };
        refusal = lacks(driver.name, lacking, `here (${status.lacks?.[lacking]}) it does not have`);
        continue;
      }
      refusal = refusalOf(driver, status); // with auto, the last one's counts: it is the one that works everywhere
    }
    throw refusal ?? new Error("no driver has these features");
  }
}

/** What drivers are told of banger's own things. */
export interface Surroundings {
  /** banger's cache folder and its state folder. */
  readonly cache: string;
  readonly state: string;
  /** A kernel that is here, to prove KVM with; null when there is none yet. */
  anyKernel(): Promise<KernelFiles | null>;
  /** False: nothing may be written, not even what was found out about KVM. */
  readonly keep: boolean;
}

/** The drivers of this host, the best one first. */
export function makeDrivers(config: DriverConfig, { cache, state, anyKernel, keep }: Surroundings): Drivers {
  const prove = async () => {
    const kernel = await anyKernel();
    const { path: program } = await findQemu(config.qemu_bin);
    return proveKvm({ program, kernel: kernel && kernelFile(kernel), cache, keep });
  };
  const accelerator = async () => chooseAccelerator(await kvmFacts(), prove);
  return new Drivers([
    firecrackerDriver({
      program: config.firecracker_bin,
      jailer: config.jailer_bin,
      cache,
      owned: [cache, state],
      accelerator,
    }),
    qemuDriver({ program: config.qemu_bin, cache, accelerator }),
  ]);
}

function refusalOf(
  { name }: { readonly name: string },
  status: Extract<DriverStatus, { usable: false }>,
): BangerError {
  if (status.packages.length === 0)
    return BangerError.of("driver_unavailable", { driver: name, reason: status.reason, fix: status.fix });
  return BangerError.of(
    "host_packages_missing",
    { tools: status.reason, packages: status.packages.join(" ") },
    { details: { packages: status.packages } },
  );
}
