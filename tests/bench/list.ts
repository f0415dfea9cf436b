import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { banger, configureHome, homeEnvironment, LAUNCHER } from "../support/command.ts";
import { compare, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

const N = 15;
const MANY = 100;
const TARGET = 1.2;
const SHARED = [".local/state/banger/images", ".local/state/banger/kernels"];

/** `vm list -a` where there are a hundred stopped VMs against one where there is one, each with its own daemon. */
export async function benchList(home: BenchHome): Promise<Row[]> {
  const [one, many] = await Promise.all([1, MANY].map((count) => homeWith(count, home.path)));
  try {
    const list = (env: NodeJS.ProcessEnv | undefined) => program(LAUNCHER, ["vm", "list", "-a"], env ?? {});
    const times = await compare(N, { many: () => list(many?.env), one: () => list(one?.env) });
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
    for (const made of [one, many]) await made?.remove();
  }
}

async function homeWith(count: number, from: string) {
  const path = await mkdtemp(join(tmpdir(), "banger-bench-"));
  const env = homeEnvironment(path);
  for (const folder of SHARED) {
    await mkdir(dirname(join(path, folder)), { recursive: true, mode: 0o700 });
    await cp(join(from, folder), join(path, folder), { recursive: true, verbatimSymlinks: true });
  }
  await configureHome(path);
  for (let made = 0; made < count; made++) {
    const { code, stderr } = await banger(["vm", "create", "-q", "--no-start"], { env });
    if (code !== 0) throw new Error(stderr);
  }
  return {
    env,
    remove: async () => {
      await banger(["daemon", "stop"], { env });
      await rm(path, { recursive: true, force: true });
    },
  };
}
