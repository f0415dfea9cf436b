/** Whether QEMU can be used on this host, and how fast. */
import { run } from "../../host/run.ts";
import type { AcceleratorChoice } from "../accelerator.ts";
import type { DriverStatus } from "../driver.ts";
import { usableBubblewrap } from "../jail/bubblewrap.ts";
import { findProgram } from "../program.ts";
import { hostTimeStampCounter } from "./host-clock.ts";

const PROGRAM = "qemu-system-x86_64";
/** The first with `-netdev stream`. */
const OLDEST = 7.2;

/** The first that is known to have one translation for a program's code wherever it lies: 7.2.22 has not, 10.0.2 has. */
const SHARES_TRANSLATIONS = 10;

/** See `Emulator`. @param version as `probeQemu` or the program itself tells it */
export const sharesTranslations = (version: string): boolean =>
  Number(/^QEMU (?:emulator version )?(\d+)/.exec(version)?.[1] ?? 0) >= SHARES_TRANSLATIONS;

/** @param configured `qemu_bin` of config.toml */
export const findQemu = (configured: string | undefined) => findProgram(PROGRAM, "qemu_bin", configured);

export async function probeQemu(
  configured: string | undefined,
  accelerator: () => Promise<AcceleratorChoice>,
): Promise<DriverStatus> {
  const found = await findQemu(configured);
  if (found.path === null) {
    const { problem: reason, fix } = found;
    return configured === undefined
      ? { usable: false, reason, fix: "banger doctor --fix", packages: ["qemu-system-x86"] }
      : { usable: false, reason, fix, packages: [] };
  }
  const said = await run(found.path, ["--version"]).then(
    ({ stdout }) => stdout,
    (error: Error) => error.message,
  );
  const version = /^QEMU emulator version (\d+)\.(\d+)\.(\d+)/.exec(said);
  if (!version || Number(version[1]) + Number(version[2]) / 10 < OLDEST) {
    const what = version
      ? `QEMU ${version[1]}.${version[2]} is too old`
      : `${found.path} is not QEMU (${said.split("\n")[0]})`;
    return {
      usable: false,
      reason: `${what}, QEMU ${OLDEST} or newer is needed`,
      fix: configured === undefined ? "install a newer QEMU" : "correct qemu_bin in config.toml",
      packages: [],
    };
  }
  const [choice, counter] = await Promise.all([accelerator(), hostTimeStampCounter()]);
  const jail = (await usableBubblewrap())
    ? ""
    : "; bubblewrap is missing or not permitted, so QEMU runs with its own sandbox only";
  return {
    usable: true,
    version: `QEMU ${version[1]}.${version[2]}.${version[3]}`,
    ...choice,
    ...(choice.accelerator === "tcg" && counter?.reliable && { counterKhz: counter.khz }),
    why: choice.why + jail,
  };
}
