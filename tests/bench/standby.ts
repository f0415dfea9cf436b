import { setTimeout as sleep } from "node:timers/promises";
import { Banger } from "../../src/sdk/index.ts";
import { type BareTemplate, prepareRestore, restoreBare } from "./bare.ts";
import { median, type Row, time } from "./measure.ts";
import type { BenchHome } from "./setting.ts";
import { AT_ONCE, againstOthers, many, N, run, withTemplate } from "./warm.ts";

/** VMs that take over machines that stand by: one, against a boot and against QEMU restored by hand, and many at once. */
export async function benchStandby(home: BenchHome): Promise<Row[]> {
  const one = await withTemplate(home, (template) => endToEnd(home, template), { standby: 1 });
  const several = await withTemplate(home, () => atOnce(home), { standby: AT_ONCE });
  return [...one, several];
}

async function endToEnd(home: BenchHome, template: BareTemplate): Promise<Row[]> {
  using banger = await Banger.connect();
  const vm = await banger.create({ start: false });
  const [ours, cold, bare]: [number[], number[], number[]] = [[], [], []];
  await run(home);
  for (let round = 0; round < N; round++) {
    await untilStanding(banger, 1);
    ours.push(await time(() => run(home)));
    await untilStanding(banger, 1); // so that it is brought up beside nothing that is measured
    cold.push(await time(() => run(home, "--cold")));
    const spec = await prepareRestore(home.path, vm.info, template);
    bare.push(await time(() => restoreBare(spec, home, template)));
  }
  await vm.delete();
  return againstOthers("`vm run --rm -- true` while a machine stands by", {
    ours: median(ours),
    cold: median(cold),
    bare: median(bare),
  });
}

async function atOnce(home: BenchHome): Promise<Row> {
  using banger = await Banger.connect();
  await Promise.all(Array.from({ length: AT_ONCE }, () => run(home))); // as many stand by from then on
  const name = `${AT_ONCE} starts at once while ${AT_ONCE} machines stand by`;
  return many(home, name, () => untilStanding(banger, AT_ONCE));
}

/** Nothing tells another process how many machines stand by but the daemon's status. */
async function untilStanding(banger: Banger, machines: number): Promise<void> {
  while (((await banger.status()).standby?.machines ?? 0) < machines) await sleep(200);
}
