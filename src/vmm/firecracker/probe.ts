/** Whether Firecracker can be used on this host. */
import { run } from "../../host/run.ts";
import type { AcceleratorChoice } from "../accelerator.ts";
import type { DriverStatus } from "../driver.ts";
import { usableBubblewrap } from "../jail/bubblewrap.ts";
import { findProgram } from "../program.ts";
import type { JailerChoice } from "./jailer-program.ts";
import { jailedTapProblem, tapProblem } from "./tap.ts";

const PROGRAM = "firecracker";
/** The oldest whose API has everything that banger calls. */
export const OLDEST = "1.5.0";
/** The API description that the driver is tested against; newer ones are used with a word of warning. */
export const TESTED = "1.17";

/** @param configured `firecracker_bin` of config.toml */
export const findFirecracker = (configured: string | undefined) =>
  findProgram(PROGRAM, "firecracker_bin", configured);

export async function probeFirecracker(
  configured: string | undefined,
  jailer: (firecracker: string) => Promise<JailerChoice>,
  accelerator: () => Promise<AcceleratorChoice>,
): Promise<DriverStatus> {
  const refuse = (reason: string, fix: string, broken: boolean): DriverStatus => ({
    usable: false,
    reason,
    fix,
    packages: [],
    broken,
  });
  const found = await findFirecracker(configured);
  if (found.path === null) return refuse(found.problem, found.fix, configured !== undefined);
  const said = await run(found.path, ["--version"]).then(
    ({ stdout }) => stdout,
    (error: Error) => error.message,
  );
  const version = /^Firecracker v(\d+\.\d+\.\d+)/m.exec(said)?.[1];
  if (version === undefined)
    return refuse(
      `${found.path} does not tell a version of Firecracker (${said.split("\n")[0]})`,
      REPLACE,
      true,
    );
  if (older(version, OLDEST))
    return refuse(`Firecracker ${version} is too old, ${OLDEST} is needed`, REPLACE, true);
  const jail = await jailer(found.path);
  if (jail.jailer === null && jail.refusal) return refuse(jail.refusal.reason, jail.refusal.fix, true);
  const choice = await accelerator();
  if (choice.accelerator !== "kvm")
    return refuse(`it needs KVM; here is ${choice.why}`, "use --driver qemu, which works without", false);
  const newer = older(TESTED, version);
  const noNetwork = await (jail.jailer === null ? tapProblem() : jailedTapProblem());
  const notes = [
    newer ? `; newer than ${TESTED}, which banger is tested with` : "",
    ...(jail.jailer === null ? await withoutJailer(jail.why) : [`; started by its jailer, ${jail.jailer}`]),
    noNetwork === null ? "" : `; no --nat: ${noNetwork}`,
  ];
  return {
    usable: true,
    version: `Firecracker ${version}`,
    ...choice,
    why: choice.why + notes.join(""),
    ...(noNetwork !== null && { lacks: { nat: noNetwork } }),
    ...(newer && { caution: `should it misbehave: Firecracker ${TESTED}, or --driver qemu` }),
  };
}

async function withoutJailer(why: string | null): Promise<string[]> {
  const missing = "; bubblewrap is missing or not permitted, so it runs with its own filter only";
  return [why === null ? "" : `; ${why}, bubblewrap confines it`, (await usableBubblewrap()) ? "" : missing];
}

const REPLACE =
  "get a release from github.com/firecracker-microvm/firecracker and name it in config.toml as firecracker_bin";

/** Pure. Compared in as many parts as `than` has. */
export function older(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (const [index, part] of b.entries()) {
    const mine = a[index] ?? Number.POSITIVE_INFINITY;
    if (mine !== part) return mine < part;
  }
  return false;
}
