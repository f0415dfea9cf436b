/** What every bench works in: a home of its own with kernel and image obtained, and what QEMU by hand has to know. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/host/run.ts";
import type { Emulator } from "../../src/vmm/qemu/arguments.ts";
import { hostTimeStampCounter } from "../../src/vmm/qemu/host-clock.ts";
import { sharesTranslations } from "../../src/vmm/qemu/probe.ts";
import { banger, configureHome, homeEnvironment } from "../support/command.ts";
import { seedHome } from "../support/home.ts";

export interface BenchHome {
  readonly path: string;
  readonly env: NodeJS.ProcessEnv;
  readonly emulator: Emulator;
}

/**
 * Makes the home, points this process at it, and boots one VM so that everything that can be cached is. BANGER_TEST_SEED saves the time
 * that kernel and image take, as for the tests.
 */
export async function makeBenchHome(): Promise<BenchHome> {
  const path = await mkdtemp(join(tmpdir(), "banger-bench-"));
  const env = homeEnvironment(path);
  await configureHome(path);
  for (const name of Object.keys(process.env)) if (name.startsWith("XDG_")) delete process.env[name];
  process.env.HOME = path;
  if (process.env.BANGER_TEST_SEED) await seedHome(path);
  console.error("preparing kernel and image ...");
  const { code, stderr } = await banger(["vm", "run", "--rm", "--", "true"], { env });
  if (code !== 0) throw new Error(stderr);
  const { stdout } = await run("qemu-system-x86_64", ["--version"]);
  return {
    path,
    env,
    emulator: { counter: await hostTimeStampCounter(), sharesTranslations: sharesTranslations(stdout) },
  };
}
