/** All drivers, and the choice among them. */
import { BangerError } from "../core/errors.ts";
import type { Driver, DriverStatus } from "./driver.ts";
import { qemuDriver } from "./qemu/driver.ts";

const DRIVERS: readonly Driver[] = [qemuDriver];

export const allDrivers = (): readonly Driver[] => DRIVERS;

/** @throws driver_unavailable for a name that no driver has */
export function driverByName(name: string): Driver {
  const driver = DRIVERS.find((candidate) => candidate.name === name);
  if (!driver)
    throw BangerError.of("driver_unavailable", {
      driver: name,
      reason: "there is no such driver",
      fix: "choose qemu or auto",
    });
  return driver;
}

/** The driver named, or with `auto` the first that can be used. @throws driver_unavailable | host_packages_missing */
export async function selectDriver(
  wanted: string,
): Promise<{ driver: Driver; status: Extract<DriverStatus, { usable: true }> }> {
  const candidates = wanted === "auto" ? DRIVERS : [driverByName(wanted)];
  let refusal: BangerError | null = null;
  for (const driver of candidates) {
    const status = await driver.probe();
    if (status.usable) return { driver, status };
    refusal ??=
      status.packages.length > 0
        ? BangerError.of(
            "host_packages_missing",
            { tools: status.reason, packages: status.packages.join(" ") },
            { details: { packages: status.packages } },
          )
        : BangerError.of("driver_unavailable", {
            driver: driver.name,
            reason: status.reason,
            fix: status.fix,
          });
  }
  throw (
    refusal ??
    BangerError.of("driver_unavailable", { driver: wanted, reason: "there is none", fix: "choose qemu" })
  );
}
