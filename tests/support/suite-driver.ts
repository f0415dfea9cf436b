/**
 * Which driver the homes of a run have: QEMU, or the Firecracker that BANGER_TEST_FIRECRACKER names, where it can be used. All
 * of tests/vm then runs on it but what asks for QEMU by name.
 */
import type { DriverName } from "../../src/vmm/driver.ts";

/** Set once for all files of a run, by its global setup. */
const CHOSEN = "BANGER_TEST_DRIVER";

/** Looks whether the Firecracker that is named can be used, and says what the run is on when one is. */
export async function chooseSuiteDriver(cache: string): Promise<void> {
  const program = process.env.BANGER_TEST_FIRECRACKER;
  if (program === undefined) return;
  const { hostDrivers } = await import("./each-driver.ts"); // most who ask for the driver's lines need no drivers
  const status = await hostDrivers(cache, program).byName("firecracker").probe();
  process.env[CHOSEN] = status.usable ? "firecracker" : "qemu";
  const why = status.usable ? `${status.version}, ${status.why}` : `not firecracker: ${status.reason}`;
  process.stderr.write(`the tests run on ${process.env[CHOSEN]}; ${why}\n`);
}

export const suiteDriver = (): DriverName => (process.env[CHOSEN] === "firecracker" ? "firecracker" : "qemu");

/** Whether that Firecracker is the double (run-suite.ts), which has files of its own. */
export const onDouble = (): boolean => process.env.DOUBLE_SUITE !== undefined;

/** For config.toml. */
export const driverLines = (): string[] =>
  suiteDriver() === "qemu"
    ? []
    : ['driver = "firecracker"\n', `firecracker_bin = "${process.env.BANGER_TEST_FIRECRACKER}"\n`];
