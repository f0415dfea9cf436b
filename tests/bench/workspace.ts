import { appendFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Banger, type Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { inBare } from "./bare.ts";
import { compare, median, ms, type Row, time } from "./measure.ts";
import { peakMemory, program } from "./programs.ts";
import { makeSample, SAMPLES, type Sample } from "./repositories.ts";
import type { BenchHome } from "./setting.ts";
import { type SshVm, startSshVm } from "./ssh.ts";

const AGAIN = 5;
const MAX_BYTES = 150_000_000;

/**
 * One of the repositories into a guest, and one edit after it, against `git clone --depth 10` and `tar | ssh` into a guest of the same
 * image; and what memory that takes.
 */
export const benchWorkspace = (kind: keyof typeof SAMPLES) => async (home: BenchHome) => {
  const sample = makeSample(home.path, SAMPLES[kind]); // not while a connection waits: it takes a while, in one go
  using banger = await Banger.connect();
  await using vm = await banger.create({ wait: "system" });
  const other = await startSshVm(home, vm.info);
  try {
    const rows = await measure(vm, other, sample, home);
    return [...rows, await memory((await banger.status()).pid), await clientMemory(vm, sample, home)];
  } finally {
    await other.end();
  }
};

async function measure(vm: Sandbox, other: SshVm, sample: Sample, home: BenchHome): Promise<Row[]> {
  const guestPath = "/root/sample";
  const clone = join(home.path, "clone");
  const remote = [...other.ssh, "mkdir /root/sample && tar x -C /root/sample"].map(quote).join(" ");
  const theirs = `git clone -q --depth 10 ${quote(`file://${sample.folder}`)} ${quote(clone)} && tar c -C ${quote(clone)} . | ssh ${remote}`;
  const times = { ours: [] as number[], ssh: [] as number[] };
  // The first round warms up, but for the large one: there a minute says enough.
  const warm = sample.rounds > 1 ? 1 : 0;
  const rounds = sample.rounds + warm;
  for (let round = 0; round < rounds; round++) {
    const ours = await time(() => vm.workspace.prepare(sample.folder, { guestPath }));
    const ssh = await time(() => program("sh", ["-c", theirs], home.env));
    if (round >= warm) times.ours.push(ours);
    if (round >= warm) times.ssh.push(ssh);
    if (round + 1 < rounds) await vm.exec(["rm", "-rf", guestPath]);
    await inBare(other, "rm -rf /root/sample; sync");
    await program("rm", ["-rf", clone], home.env);
  }
  const { again } = await compare(AGAIN, {
    again: async () => {
      appendFileSync(sample.file, "one more line\n");
      await vm.workspace.prepare(sample.folder, { guestPath });
    },
  });
  await vm.exec(["rm", "-rf", guestPath]);
  const [ours, ssh] = [median(times.ours), median(times.ssh)];
  return [
    {
      name: `workspace: ${sample.name}`,
      n: sample.rounds,
      ours: ms(ours),
      theirs: `${ms(ssh)} \`git clone --depth 10\`, \`tar \\| ssh\``,
      ratio: ours / ssh,
      target: "<= 1",
      ok: ours <= ssh,
    },
    {
      name: `the same after one edit`,
      n: AGAIN,
      ours: ms(again),
      theirs: `${ms(ours)} the first time`,
      ratio: again / ours,
      target: "<= 0.2",
      ok: again <= 0.2 * ours,
    },
  ];
}

/** The most that the daemon ever had. */
async function memory(pid: number): Promise<Row> {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  const bytes = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024;
  return memoryRow("daemon's peak memory", bytes);
}

/** The most that a command has that brings it in. */
async function clientMemory(vm: Sandbox, { folder }: Sample, home: BenchHome): Promise<Row> {
  const args = ["vm", "workspace", "prepare", vm.name, folder, "--guest-path", "/root/client"];
  return memoryRow("peak memory of `vm workspace prepare`", await peakMemory(LAUNCHER, args, home.env));
}

function memoryRow(name: string, bytes: number): Row {
  return {
    name,
    n: 1,
    ours: `${(bytes / 1e6).toFixed(0)} MB`,
    theirs: "",
    ratio: Number.NaN,
    target: "<= 150 MB",
    ok: bytes <= MAX_BYTES,
  };
}

const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
