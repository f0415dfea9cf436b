import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { daemonSocket, resolvePaths } from "../../src/host/paths.ts";
import { Banger } from "../../src/sdk/index.ts";
import { banger, configureHome, homeEnvironment, LAUNCHER } from "../support/command.ts";
import { linkTree } from "../support/home.ts";
import { compare, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

const N = 15;
const MANY = 100;
const TARGET = 1.2;
const SHARED = [".local/state/banger/images", ".local/state/banger/kernels"];

/** `vm list -a` where there are a hundred stopped VMs against one where there is one, each with its own daemon. */
export async function benchList(home: BenchHome): Promise<Row[]> {
  const one = await homeWith(1, home.path);
  const many = await homeWith(MANY, home.path);
  try {
    const list = (env: NodeJS.ProcessEnv) => program(LAUNCHER, ["vm", "list", "-a"], env);
    const times = await compare(N, { many: () => list(many.env), one: () => list(one.env) });
    const ratio = times.many / times.one;
    return [
      {
        name: `\`vm list -a\` with ${MANY} stopped VMs`,
        n: N,
        ours: ms(times.many),
        theirs: `${ms(times.one)} with one`,
        ratio,
        target: `<= ${TARGET}`,
        ok: ratio <= TARGET,
      },
    ];
  } finally {
    for (const made of [one, many]) await made.remove();
  }
}

async function homeWith(count: number, from: string) {
  const path = await mkdtemp(join(tmpdir(), "banger-bench-"));
  const env = homeEnvironment(path);
  for (const folder of SHARED) await linkTree(join(from, folder), join(path, folder));
  await configureHome(path);
  const remove = async () => {
    await banger(["daemon", "stop"], { env });
    await rm(path, { recursive: true, force: true });
  };
  try {
    await program(LAUNCHER, ["daemon", "start"], env);
    using client = await Banger.connect({ socket: daemonSocket(resolvePaths(env)) });
    for (let made = 0; made < count; made++) await client.create({ start: false });
  } catch (error) {
    await remove();
    throw error;
  }
  return { env, remove };
}
