import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Banger } from "../../src/sdk/index.ts";
import { firecrackerDriver } from "../../src/vmm/firecracker/driver.ts";
import { installDouble, recordedCalls } from "../support/firecracker/install.ts";
import { prepareBare } from "./bare.ts";
import { median, ms, type Row, time } from "./measure.ts";
import type { BenchHome } from "./setting.ts";

const N = 11;
const TARGET_MS = 60;

/**
 * What the driver adds to Firecracker's own start: pipes, jail, connection, calls up to InstanceStart. Measured on the double
 * without a guest; the time that its own process takes to listen, which is no part of it, is taken off.
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
  const times: number[] = [];
  for (let round = 0; round <= N; round++) {
    const spec = { ...(await prepareBare(path, vm.info)), accelerator: "kvm" } as const;
    let machine: Awaited<ReturnType<typeof driver.launch>> | undefined;
    const whole = await time(async () => {
      machine = await driver.launch(spec, new AbortController().signal);
    });
    const listening = recordedCalls(spec.directory)[0]?.at ?? 0;
    if (round > 0) times.push(whole - listening); // the first warms up
    await machine?.kill();
  }
  await vm.delete();
  process.env.PATH = before;
  const ours = median(times);
  return [
    {
      name: "Firecracker driver, to InstanceStart",
      n: N,
      ours: ms(ours),
      theirs: "without the double's own start",
      ratio: Number.NaN,
      target: `<= ${TARGET_MS} ms`,
      ok: ours <= TARGET_MS,
    },
  ];
}
