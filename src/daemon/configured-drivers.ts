/** The drivers as config.toml says now: an edited program path counts from the next VM that is made or started. */
import type { Config } from "../core/config.ts";
import { type Drivers, makeDrivers, type Surroundings } from "../vmm/drivers.ts";

/** @param config its present reading is looked at each time */
export function configuredDrivers(
  config: { readonly current: Config },
  surroundings: Surroundings,
): () => Drivers {
  let made: { readonly programs: string; readonly drivers: Drivers } | undefined;
  return () => {
    const { firecracker_bin, jailer_bin, qemu_bin } = config.current;
    const programs = JSON.stringify([firecracker_bin, jailer_bin, qemu_bin]);
    // Kept while they are the same: what their probes found out is kept with them.
    if (made?.programs !== programs) made = { programs, drivers: makeDrivers(config.current, surroundings) };
    return made.drivers;
  };
}
