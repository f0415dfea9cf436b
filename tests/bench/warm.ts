import { readdir } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Banger, type Sandbox } from "../../src/sdk/index.ts";
import { configureHome, LAUNCHER } from "../support/command.ts";
import { type BareTemplate, prepareRestore, restoreBare } from "./bare.ts";
import { compare, median, ms, type Row, time } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

/** Rounds of each way. */
export const N = 10;
export const AT_ONCE = 8;
const ROUNDS = 10;
const TARGETS = { cold: 6, bare: 1.5, many: 1.3 };

/** Starts from a template: against a boot, against QEMU by hand, many at once, and how soon commands are at full speed. */
export async function benchWarm(home: BenchHome): Promise<Row[]> {
  return withTemplate(home, async (template) => [
    ...(await endToEnd(home, template)),
    await many(home, `${AT_ONCE} warm starts at once`),
    ...(await firstCommands()),
  ]);
}

/** Has VMs start warm while `work` goes on: from the template, unless machines may stand by. */
export async function withTemplate<T>(
  home: BenchHome,
  work: (template: BareTemplate) => Promise<T>,
  { standby = 0 } = {},
): Promise<T> {
  await configureHome(home.path, `warm_cache = "2G"\nstandby = ${standby}\n`);
  try {
    return await work(await untilTemplate(home));
  } finally {
    await configureHome(home.path);
  }
}

export const run = (home: BenchHome, ...more: string[]) =>
  program(LAUNCHER, ["vm", "run", "--rm", "-q", ...more, "--", "true"], home.env);

/** Nothing tells another process that a template is ready but its being there. */
async function untilTemplate(home: BenchHome): Promise<BareTemplate> {
  const folder = join(home.path, ".cache/banger/warm");
  await run(home);
  for (;;) {
    const [key] = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith("."));
    if (key !== undefined) return { state: join(folder, key, "state"), disk: join(folder, key, "disk.ext4") };
    await sleep(500);
  }
}

async function endToEnd(home: BenchHome, template: BareTemplate): Promise<Row[]> {
  using banger = await Banger.connect();
  const vm = await banger.create({ start: false });
  const specs = await Promise.all(
    Array.from({ length: N + 1 }, () => prepareRestore(home.path, vm.info, template)),
  );
  const { warm, cold, bare } = await compare(N, {
    warm: () => run(home),
    cold: () => run(home, "--cold"),
    bare: async () => {
      const spec = specs.pop();
      if (spec) await restoreBare(spec, home, template);
    },
  });
  await vm.delete();
  return againstOthers("warm `vm run --rm -- true`", { ours: warm, cold, bare });
}

/** A start against a boot, and against QEMU that is restored by hand from the same template. */
export function againstOthers(
  name: string,
  { ours, cold, bare }: Readonly<Record<"ours" | "cold" | "bare", number>>,
): Row[] {
  return [
    {
      name,
      n: N,
      ours: ms(ours),
      theirs: `${ms(cold)} with --cold`,
      ratio: cold / ours,
      target: `>= ${TARGETS.cold}`,
      ok: cold / ours >= TARGETS.cold,
    },
    {
      name,
      n: N,
      ours: ms(ours),
      theirs: `${ms(bare)} bare QEMU from the same state to its first answered command and out`,
      ratio: ours / bare,
      target: `<= ${TARGETS.bare}`,
      ok: ours / bare <= TARGETS.bare,
    },
  ];
}

/** The last of many starts at once against one alone. @param ready is waited for before each of the two */
export async function many(home: BenchHome, name: string, ready = async () => {}): Promise<Row> {
  const single: number[] = [];
  const slowest: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    await ready();
    single.push(await time(() => run(home)));
    await ready();
    const all = await Promise.all(Array.from({ length: AT_ONCE }, () => time(() => run(home))));
    slowest.push(Math.max(...all)); // of 8 the 95th percentile is the last one
  }
  const allowed = (AT_ONCE / cpus().length) * TARGETS.many;
  const ratio = median(slowest) / median(single);
  return {
    name: `${name}, the last one`,
    n: ROUNDS,
    ours: ms(median(slowest)),
    theirs: `${ms(median(single))} one alone`,
    ratio,
    target: `<= ${allowed.toFixed(1)}`,
    ok: ratio <= allowed,
  };
}

async function firstCommands(): Promise<Row[]> {
  using banger = await Banger.connect();
  const [first, tenth]: [number[], number[]] = [[], []];
  for (let round = 0; round < N; round++) {
    const vm: Sandbox = await banger.create();
    const times: number[] = [];
    for (let at = 0; at < 10; at++) times.push(await time(async () => void (await vm.exec(["true"]))));
    first.push(times[0] ?? 0);
    tenth.push(times[9] ?? 0);
    await vm.delete();
  }
  const ratio = median(first) / median(tenth);
  return [
    {
      name: "first command after a warm start",
      n: N,
      ours: ms(median(first)),
      theirs: `${ms(median(tenth))} the tenth`,
      ratio,
      target: "recorded",
      ok: true,
    },
  ];
}
