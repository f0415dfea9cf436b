import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { prepareBare, startBare } from "./bare.ts";
import { compare, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

const N = 9;
const TARGET = 1.25;

/**
 * `vm run --rm -- true` (client start, disk clone, jail, boot, configuration, command, deletion) against QEMU started by hand
 * with the same arguments until the agent's hello, then ended (disk made before).
 */
export async function benchBoot({ path, env, emulator }: BenchHome): Promise<Row[]> {
  using banger = await Banger.connect();
  const vm = await banger.create({ start: false });
  const spec = await prepareBare(path, vm.info);
  await vm.delete();
  const { ours, bare } = await compare(N, {
    ours: () => program(LAUNCHER, ["vm", "run", "--rm", "-q", "--", "true"], env),
    bare: async () => (await startBare(spec, emulator)).end(),
  });
  const ratio = ours / bare;
  return [
    {
      name: "cold `vm run --rm -- true`",
      n: N,
      ours: ms(ours),
      theirs: `${ms(bare)} bare QEMU to the same hello and out`,
      ratio,
      target: `<= ${TARGET}`,
      ok: ratio <= TARGET,
    },
  ];
}
