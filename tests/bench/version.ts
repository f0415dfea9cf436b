import { LAUNCHER } from "../support/command.ts";
import { compare, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";

const N = 21;
const TARGET = 2.5;

/** The program's own start-up against Node's. */
export async function benchVersion({ env }: BenchHome): Promise<Row[]> {
  const { ours, node } = await compare(N, {
    ours: () => program(LAUNCHER, ["--version"], env),
    node: () => program(process.execPath, ["-e", "0"], env),
  });
  const ratio = ours / node;
  return [
    {
      name: "`banger --version`",
      n: N,
      ours: ms(ours),
      theirs: `${ms(node)} \`node -e 0\``,
      ratio,
      target: `<= ${TARGET}`,
      ok: ratio <= TARGET,
    },
  ];
}
