import { Banger, type OperationEvent, type Sandbox } from "../../src/sdk/index.ts";
import { median, ms, type Row, time } from "./measure.ts";
import type { BenchHome } from "./setting.ts";
import { withTemplate } from "./warm.ts";

const N = 10;
const TARGET_STILL = 0.4;
const TARGET_READY = 1.3;

/** A fork of a running VM against a warm start: how long the VM stands still, and when the copy has run its first command. */
export function benchForks(home: BenchHome): Promise<Row[]> {
  return withTemplate(home, measure);
}

async function measure(): Promise<Row[]> {
  using banger = await Banger.connect();
  const box = await banger.create({ name: "box", wait: "system", keep: true });
  const warm: number[] = [];
  const still: number[] = [];
  const forked: number[] = [];
  for (let round = 0; round <= N; round++) {
    const made: Sandbox[] = [];
    const start = await time(async () => {
      const vm = await banger.create({ keep: true });
      made.push(vm);
      await vm.exec(["true"]);
    });
    const onEvent = (event: OperationEvent) => {
      const stood = event.type === "stage" && /stood still for (\d+) ms/.exec(event.detail ?? "")?.[1];
      if (stood && round > 0) still.push(Number(stood));
    };
    const fork = await time(async () => {
      const [copy] = await box.fork({ onEvent });
      if (!copy) throw new Error("no copy");
      made.push(copy);
      await copy.exec(["true"]);
    });
    // The first round warms both.
    if (round > 0) {
      if (made[0]?.info.start !== "warm") throw new Error("there was no template to start from");
      warm.push(start);
      forked.push(fork);
    }
    for (const vm of made) await vm.delete();
  }
  await box.delete();
  const row = (name: string, values: readonly number[], target: number): Row => {
    const ratio = median(values) / median(warm);
    return {
      name,
      n: N,
      ours: ms(median(values)),
      theirs: `${ms(median(warm))} a warm start to its first command`,
      ratio,
      target: `<= ${target}`,
      ok: ratio <= target,
    };
  };
  return [
    row("`vm fork`: the VM stands still", still, TARGET_STILL),
    row("`vm fork` to the copy's first command", forked, TARGET_READY),
  ];
}
