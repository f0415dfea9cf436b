import { Banger } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { compare, growth, type Row } from "./measure.ts";
import { peakMemory, program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { startSshVm } from "./ssh.ts";

const N = 5;
const BYTES = 200_000_000;

/** 200 MB from the guest to nowhere, by `vm exec` and by ssh; and what it does to the memory of client and daemon. */
export async function benchThroughput(home: BenchHome): Promise<Row[]> {
  using banger = await Banger.connect();
  await using vm = await banger.create({ wait: "system" });
  const source = ["head", "-c", String(BYTES), "/dev/zero"];
  const exec = (command: readonly string[]) => ["vm", "exec", vm.name, "--", ...command];
  const idle = await peakMemory(LAUNCHER, exec(["true"]), home.env);
  const daemonBefore = (await banger.status()).rss_bytes;
  const busy = await peakMemory(LAUNCHER, exec(source), home.env);
  const other = await startSshVm(home, vm.info);
  const times = await compare(N, {
    ours: () => program(LAUNCHER, exec(source), home.env),
    ssh: () => program("ssh", [...other.ssh, source.join(" ")], home.env),
  }).finally(() => other.end());
  const daemonAfter = (await banger.status()).rss_bytes;
  const rate = (milliseconds: number) => `${Math.round(BYTES / 1000 / milliseconds)} MB/s`;
  return [
    {
      name: "200 MB of output",
      n: N,
      ours: rate(times.ours),
      theirs: `${rate(times.ssh)} \`ssh\``,
      ratio: times.ssh / times.ours,
      target: ">= 1",
      ok: times.ours <= times.ssh,
    },
    growth("client's memory, 200 MB against `true`", 1, idle, busy),
    growth(`daemon's memory, after ${N + 2} times 200 MB`, 1, daemonBefore, daemonAfter),
  ];
}
