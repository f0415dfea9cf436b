import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { compare, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { startSshVm } from "./ssh.ts";

const N = 15;
const TARGETS = { cli: 3, sdk: 10 };

/** One command in a running VM: from the command line, through the SDK, and by ssh into a guest of the same image and size. */
export async function benchExec(home: BenchHome): Promise<Row[]> {
  using banger = await Banger.connect();
  await using vm = await banger.create({ wait: "system" });
  const other = await startSshVm(home, vm.info);
  try {
    const { cli, sdk, ssh } = await compare(N, {
      cli: () => program(LAUNCHER, ["vm", "exec", vm.name, "--", "true"], home.env),
      sdk: async () => await vm.exec(["true"]),
      ssh: () => program("ssh", [...other.ssh, "true"], home.env),
    });
    const row = (name: string, ours: number, target: number): Row => ({
      name,
      n: N,
      ours: ms(ours),
      theirs: `${ms(ssh)} \`ssh\``,
      ratio: ssh / ours,
      target: `>= ${target}`,
      ok: ssh / ours >= target,
    });
    return [row("`vm exec VM -- true`", cli, TARGETS.cli), row('`sandbox.exec(["true"])`', sdk, TARGETS.sdk)];
  } finally {
    await other.end();
  }
}
