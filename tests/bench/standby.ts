import { setTimeout as sleep } from "node:timers/promises";
import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { prepareRestore, restoreBare } from "./bare.ts";
import { median, ms, type Row, time } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { withTemplate } from "./warm.ts";

const N = 10;
const TARGETS = { cold: 6, bare: 1.5 };

/** A VM that takes over the machine that stands by, against a boot and against QEMU restored by hand. */
export function benchStandby(home: BenchHome): Promise<Row[]> {
  const run = (...more: string[]) =>
    time(() => program(LAUNCHER, ["vm", "run", "--rm", "-q", ...more, "--", "true"], home.env));
  return withTemplate(
    home,
    async (template) => {
      using banger = await Banger.connect();
      const vm = await banger.create({ start: false });
      const [standby, cold, bare]: number[][] = [[], [], []];
      await run();
      for (let round = 0; round < N; round++) {
        await untilStanding(banger);
        standby?.push(await run());
        await untilStanding(banger); // so that it is brought up beside nothing that is measured
        cold?.push(await run("--cold"));
        const spec = await prepareRestore(home.path, vm.info, template);
        bare?.push(await time(() => restoreBare(spec, home, template)));
      }
      await vm.delete();
      const [ours, booted, restored] = [standby, cold, bare].map((times = []) => median(times));
      return rows(ours ?? 0, booted ?? 0, restored ?? 0);
    },
    { standby: true },
  );
}

const rows = (ours: number, booted: number, restored: number): Row[] => [
  {
    name: "`vm run --rm -- true` while a machine stands by",
    n: N,
    ours: ms(ours),
    theirs: `${ms(booted)} with --cold`,
    ratio: booted / ours,
    target: `>= ${TARGETS.cold}`,
    ok: booted / ours >= TARGETS.cold,
  },
  {
    name: "`vm run --rm -- true` while a machine stands by",
    n: N,
    ours: ms(ours),
    theirs: `${ms(restored)} bare QEMU from the template's state to its first answered command and out`,
    ratio: ours / restored,
    target: `<= ${TARGETS.bare}`,
    ok: ours / restored <= TARGETS.bare,
  },
];

/** Nothing tells another process that a machine stands by but the daemon's status. */
async function untilStanding(banger: Banger): Promise<void> {
  while ((await banger.status()).standby === null) await sleep(200);
}
