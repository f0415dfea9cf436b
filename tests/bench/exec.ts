import { Banger, type Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { compare, median, ms, type Row } from "./measure.ts";
import { program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { startSshVm } from "./ssh.ts";

const N = 15;
const TARGETS = { cli: 3, sdk: 10 };

/** A program's starts in the guest, in milliseconds each, with and without having it lie somewhere else each time. */
const STARTS = `t() {
  echo $1 >/proc/sys/kernel/randomize_va_space; set -- $(date +%s%N)
  for i in $(seq 50); do /bin/true; done
  echo $(( ($(date +%s%N) - $1) / 50 ))
}
was=$(cat /proc/sys/kernel/randomize_va_space); t $was >&2; t $was; t 2; echo $was >/proc/sys/kernel/randomize_va_space`;

async function programStarts(vm: Sandbox): Promise<Row> {
  const [ours, moved]: [number[], number[]] = [[], []];
  for (let round = 0; round < N; round++) {
    const [as = 0, other = 0] = (await vm.exec(["sh", "-c", STARTS])).text.split("\n").map(Number);
    ours.push(as / 1e6);
    moved.push(other / 1e6);
  }
  const ratio = median(moved) / median(ours);
  return {
    name: "a program's start in the guest",
    n: N,
    ours: ms(median(ours)),
    theirs: `${ms(median(moved))} where it lies somewhere else each time`,
    ratio,
    target: "recorded",
    ok: true,
  };
}

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
    return [
      row("`vm exec VM -- true`", cli, TARGETS.cli),
      row('`sandbox.exec(["true"])`', sdk, TARGETS.sdk),
      await programStarts(vm),
    ];
  } finally {
    await other.end();
  }
}
