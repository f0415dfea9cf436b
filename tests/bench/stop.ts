import { once } from "node:events";
import { startProcess, waitSystem } from "../../src/guest/index.ts";
import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { prepareBare, startBare } from "./bare.ts";
import { median, ms, type Row, time } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

const N = 5;
/** The client's start and a sync of the guest's disk come on top. */
const TARGET = 1.25;

/** `vm stop` of an idle VM against `systemctl poweroff` in the same guest under bare QEMU, both until QEMU is gone. */
export async function benchStop({ path, env, emulator }: BenchHome): Promise<Row[]> {
  using banger = await Banger.connect();
  await using vm = await banger.create({ start: false });
  const ours: number[] = [];
  const bare: number[] = [];
  for (let round = 0; round < N; round++) {
    await vm.start({ wait: "system" });
    ours.push(await time(() => program(LAUNCHER, ["vm", "stop", "-q", vm.name], env)));
    const other = await startBare(await prepareBare(path, vm.info), emulator);
    await waitSystem(other.session); // systemctl finds nobody to talk to before
    bare.push(
      await time(async () => {
        const gone = once(other.process, "exit");
        await startProcess(other.session, { argv: ["systemctl", "poweroff"] });
        await gone;
      }),
    );
  }
  const ratio = median(ours) / median(bare);
  return [
    {
      name: "`vm stop` of an idle VM",
      n: N,
      ours: ms(median(ours)),
      theirs: `${ms(median(bare))} \`systemctl poweroff\` under bare QEMU`,
      ratio,
      target: `<= ${TARGET}`,
      ok: ratio <= TARGET,
    },
  ];
}
