import { resolvePaths } from "../../src/host/paths.ts";
import { sshConfigFile } from "../../src/host/ssh-config.ts";
import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { compare, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { startSshVm } from "./ssh.ts";

const N = 9;
const N_LARGE = 3;
const BYTES = 50_000_000;
/** Two programs start where ssh is one; the key exchange is a cheaper one. */
const TARGETS = { command: 0.8, bytes: 0.8 };

/** ssh through banger's proxy and the agent, against ssh over QEMU's user network into a guest of the same image and size. */
export async function benchSsh(home: BenchHome): Promise<Row[]> {
  using banger = await Banger.connect();
  await using vm = await banger.create({ wait: "system" });
  const other = await startSshVm(home, vm.info);
  const ours = ["-F", sshConfigFile(resolvePaths(home.env)), `${vm.name}.vm`];
  const source = `head -c ${BYTES} /dev/zero`;
  try {
    const one = await compare(N, {
      ours: () => program(LAUNCHER, ["vm", "ssh", vm.name, "--", "true"], home.env),
      theirs: () => program("ssh", [...other.ssh, "true"], home.env),
    });
    const large = await compare(N_LARGE, {
      ours: () => program("ssh", [...ours, source], home.env),
      theirs: () => program("ssh", [...other.ssh, source], home.env),
    });
    const rate = (milliseconds: number) => `${(BYTES / 1000 / milliseconds).toFixed(1)} MB/s`;
    const row = (
      name: string,
      n: number,
      times: typeof one,
      show: (n: number) => string,
      target: number,
    ): Row => ({
      name,
      n,
      ours: show(times.ours),
      theirs: `${show(times.theirs)} \`ssh\` over a network`,
      ratio: times.theirs / times.ours,
      target: `>= ${target}`,
      ok: times.theirs / times.ours >= target,
    });
    return [
      row("`vm ssh VM -- true`", N, one, ms, TARGETS.command),
      row("50 MB over plain ssh", N_LARGE, large, rate, TARGETS.bytes),
    ];
  } finally {
    await other.end();
  }
}
