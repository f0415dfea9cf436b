import { setTimeout as sleep } from "node:timers/promises";
import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { prepareRestore, restoreBare } from "./bare.ts";
import { median, type Row, time } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { againstOthers, N, withTemplate } from "./warm.ts";

/** A VM that takes over the machine that stands by, against a boot and against QEMU restored by hand. */
export function benchStandby(home: BenchHome): Promise<Row[]> {
  const run = (...more: string[]) =>
    time(() => program(LAUNCHER, ["vm", "run", "--rm", "-q", ...more, "--", "true"], home.env));
  return withTemplate(
    home,
    async (template) => {
      using banger = await Banger.connect();
      const vm = await banger.create({ start: false });
      const [ours, cold, bare]: [number[], number[], number[]] = [[], [], []];
      await run();
      for (let round = 0; round < N; round++) {
        await untilStanding(banger);
        ours.push(await run());
        await untilStanding(banger); // so that it is brought up beside nothing that is measured
        cold.push(await run("--cold"));
        const spec = await prepareRestore(home.path, vm.info, template);
        bare.push(await time(() => restoreBare(spec, home, template)));
      }
      await vm.delete();
      return againstOthers("`vm run --rm -- true` while a machine stands by", {
        ours: median(ours),
        cold: median(cold),
        bare: median(bare),
      });
    },
    { standby: true },
  );
}

/** Nothing tells another process that a machine stands by but the daemon's status. */
async function untilStanding(banger: Banger): Promise<void> {
  while ((await banger.status()).standby === null) await sleep(200);
}
