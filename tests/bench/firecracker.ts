import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { onCheckpoint } from "../../src/core/checkpoints.ts";
import { Banger } from "../../src/sdk/index.ts";
import { firecrackerDriver } from "../../src/vmm/firecracker/driver.ts";
import { installDouble, recordedCalls } from "../support/firecracker/install.ts";
import { prepareBare } from "./bare.ts";
import { median, ms, type Row } from "./measure.ts";
import type { BenchHome } from "./setting.ts";

const N = 11;
const TARGET_MS = 60;

/**
 * What the driver adds to Firecracker's own start: jail, connection, calls, until InstanceStart has come; from its process's start,
 * and from the launch, which makes pipes and the jail first. Measured on the double without a guest; the time that its own process
 * takes to listen, which is no part of it, is taken off. Its two shell scripts are in it.
 */
export async function benchFirecracker({ path }: BenchHome): Promise<Row[]> {
  const folder = join(path, "double");
  await mkdir(folder);
  const double = await installDouble(folder);
  const before = process.env.PATH;
  process.env.PATH = `${double.path}:${before}`;
  const accelerator = async () => ({ accelerator: "kvm", why: "the double needs none" }) as const;
  const driver = firecrackerDriver({
    program: double.program,
    cache: join(path, ".cache/banger"),
    accelerator,
  });
  using banger = await Banger.connect();
  const vm = await banger.create({ start: false });
  const fromLaunch: number[] = [];
  const fromProcess: number[] = [];
  let spawned = 0;
  onCheckpoint((point) => {
    if (point === "start.spawned") spawned = now();
  });
  for (let round = 0; round <= N; round++) {
    const spec = { ...(await prepareBare(path, vm.info)), accelerator: "kvm" } as const;
    const launched = now();
    const machine = await driver.launch(spec, new AbortController().signal);
    const start = recordedCalls(spec.directory).at(-1);
    await machine.kill();
    if (start?.path !== "/actions") throw new Error("the last call was not InstanceStart");
    if (round === 0) continue; // it warms up
    fromLaunch.push(start.at - start.started - launched);
    fromProcess.push(start.at - start.started - spawned);
  }
  onCheckpoint(() => {});
  await vm.delete();
  process.env.PATH = before;
  const row = (from: string, times: readonly number[], target: string, ok: boolean): Row => ({
    name: `Firecracker driver, from ${from} to InstanceStart`,
    n: N,
    ours: ms(median(times)),
    theirs: "without the double's own start",
    ratio: Number.NaN,
    target,
    ok,
  });
  return [
    row("the process's start", fromProcess, `<= ${TARGET_MS} ms`, median(fromProcess) <= TARGET_MS),
    row("the launch", fromLaunch, "recorded", true),
  ];
}

/** On the double's clock. */
const now = () => performance.timeOrigin + performance.now();
