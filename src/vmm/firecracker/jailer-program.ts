/** Whether Firecracker is started by its jailer on this host: only root can, and only a jailer of the same release. */
import { realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { run } from "../../host/run.ts";
import { findTool } from "../../host/tools.ts";
import { jailsForbidden } from "../jail/jailer.ts";
import { type FoundProgram, findProgram } from "../program.ts";

export type JailerChoice =
  | { readonly jailer: string; readonly execName: string; readonly version: string }
  | {
      readonly jailer: null;
      /** For who is root; else there is nothing to say. */
      readonly why: string | null;
      /** It was asked for by `jailer_bin`: Firecracker is then not to be started without it. */
      readonly refusal?: { readonly reason: string; readonly fix: string };
    };

/**
 * @param firecracker its program
 * @param configured `jailer_bin` of config.toml; else it is looked for beside Firecracker, then on PATH
 */
export async function chooseJailer(
  firecracker: string,
  configured: string | undefined,
): Promise<JailerChoice> {
  if (process.getuid?.() !== 0) return { jailer: null, why: null };
  const program = await realpath(firecracker);
  const found = await findJailer(program, configured);
  if (found === null) return { jailer: null, why: "no jailer is beside it or on PATH" };
  const problem = found.path === null ? found.problem : await whatIsWrong(found.path, program);
  if (found.path !== null && typeof problem !== "string")
    return { jailer: found.path, execName: basename(program), version: problem.version };
  const why = `the jailer is not used: ${problem}`;
  if (configured === undefined) return { jailer: null, why };
  const fix = "correct jailer_bin in config.toml, or leave it out: bubblewrap confines Firecracker then";
  return { jailer: null, why, refusal: { reason: why, fix } };
}

/** As `chooseJailer`, which starts programs, so that a choice is kept for each program; not what may be corrected meanwhile. */
export function rememberJailer(
  configured: string | undefined,
): (firecracker: string) => Promise<JailerChoice> {
  const chosen = new Map<string, JailerChoice>();
  return async (firecracker) => {
    const choice = chosen.get(firecracker) ?? (await chooseJailer(firecracker, configured));
    if (choice.jailer !== null) chosen.set(firecracker, choice);
    return choice;
  };
}

/** Releases call the two `firecracker-v1.13.1-x86_64` and `jailer-v1.13.1-x86_64`. */
async function findJailer(firecracker: string, configured: string | undefined): Promise<FoundProgram | null> {
  if (configured !== undefined) return findProgram("jailer", "jailer_bin", configured);
  for (const name of [basename(firecracker).replace("firecracker", "jailer"), "jailer"]) {
    const path = join(dirname(firecracker), name);
    const beside = path === firecracker ? null : await findProgram(name, "jailer_bin", path);
    if (beside?.path) return beside;
  }
  const path = await findTool("jailer");
  return path === null ? null : { path };
}

async function whatIsWrong(
  jailer: string,
  firecracker: string,
): Promise<string | { readonly version: string }> {
  // It says so itself, but only when it is started.
  if (!basename(firecracker).includes("firecracker"))
    return `it takes no program whose name lacks "firecracker", such as ${firecracker}`;
  const [own, other] = await Promise.all([versionOf(jailer), versionOf(firecracker)]);
  if (own === null || other === null || own !== other)
    return `${jailer} is ${own ?? "of no version that it tells"}, Firecracker is ${other ?? "of none"}; they must be of one release`;
  const forbidden = await jailsForbidden();
  return forbidden === null ? { version: own } : `this host does not permit what it does (${forbidden})`;
}

async function versionOf(program: string): Promise<string | null> {
  const said = await run(program, ["--version"]).then(
    ({ stdout }) => stdout,
    () => "",
  );
  return /^(?:Jailer|Firecracker) v(\d+\.\d+\.\d+)/m.exec(said)?.[1] ?? null;
}
