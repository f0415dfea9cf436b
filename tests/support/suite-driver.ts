/**
 * Which driver the homes of a run have: QEMU, or the Firecracker that BANGER_TEST_FIRECRACKER names, where it can be used. All
 * of tests/vm then runs on it but what asks for QEMU by name.
 */
import { basename } from "node:path";
import type { Driver, DriverName } from "../../src/vmm/driver.ts";
import { FEATURES, type Feature } from "../../src/vmm/features.ts";

/** Set once for all files of a run, by its global setup. */
const CHOSEN = "BANGER_TEST_DRIVER";
/** What that driver does not have here and why, as JSON. */
const LACKS = "BANGER_TEST_LACKS";

export const NO_FIRECRACKER = "no Firecracker: BANGER_TEST_FIRECRACKER=path names one";

/** Looks whether the Firecracker that is named can be used, and says what the run is on when one is. */
export async function chooseSuiteDriver(cache: string): Promise<void> {
  const program = process.env.BANGER_TEST_FIRECRACKER;
  if (program === undefined) return;
  const { hostDrivers } = await import("./each-driver.ts"); // most who ask for the driver's lines need no drivers
  const driver = hostDrivers(cache, program).byName("firecracker");
  const status = await driver.probe();
  process.env[CHOSEN] = status.usable ? "firecracker" : "qemu";
  if (status.usable) process.env[LACKS] = JSON.stringify({ ...undeclared(driver), ...status.lacks });
  const why = status.usable ? `${status.version}, ${status.why}` : `not firecracker: ${status.reason}`;
  process.stderr.write(`the tests run on ${process.env[CHOSEN]}; ${why}\n`);
}

function undeclared({ features }: Pick<Driver, "features">): Partial<Record<Feature, string>> {
  const lacking = (Object.keys(FEATURES) as Feature[]).filter((feature) => !features[feature]);
  return Object.fromEntries(lacking.map((feature) => [feature, "it does not declare it"]));
}

/** Why VMs of this run do not have a feature of drivers; false when they do. */
export function suiteLacks(feature: Feature): string | false {
  const lacks = JSON.parse(process.env[LACKS] ?? "{}") as Partial<Record<Feature, string>>;
  const why = lacks[feature];
  return why !== undefined && `${suiteDriver()} has no "${FEATURES[feature].what}" here: ${why}`;
}

export const suiteDriver = (): DriverName => (process.env[CHOSEN] === "firecracker" ? "firecracker" : "qemu");

/** Whether that Firecracker is the double (run-suite.ts), which has files of its own. */
export const onDouble = (): boolean => process.env.DOUBLE_SUITE !== undefined;

/** Why there is no real Firecracker to ask for by name; false when there is one. */
export function firecrackerMissing(): string | false {
  if (process.env.BANGER_TEST_FIRECRACKER === undefined || onDouble()) return NO_FIRECRACKER;
  return (
    suiteDriver() === "qemu" &&
    "the Firecracker that is named cannot be used here; the run's first line says why"
  );
}

/** Whether the Firecracker that is named is the double in any way: also where KVM is real (firecracker/stand-in). */
export const namesDouble = (): boolean =>
  onDouble() || basename(process.env.BANGER_TEST_FIRECRACKER ?? "") === "stand-in";

/** Why QEMU cannot be asked for by name; false when it can. */
export const qemuMissing = (): string | false =>
  onDouble() && "QEMU by name: there is no KVM for it on the double's host; `npm run test:vm` runs this";

/** For config.toml. */
export const driverLines = (): string[] =>
  suiteDriver() === "qemu"
    ? []
    : ['driver = "firecracker"\n', `firecracker_bin = "${process.env.BANGER_TEST_FIRECRACKER}"\n`];
