import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Banger } from "../../src/sdk/index.ts";
import { banger as command } from "../support/command.ts";
import type { Row } from "./measure.ts";
import type { BenchHome } from "./setting.ts";

const MAX_BYTES = 120_000_000;
const IDLE_MS = 30_000;
const MAX_WAKEUPS = 3;
const VMS = 10;
/** A guest's own first timers have fired by then. */
const SETTLE_MS = 30_000;

/** The daemon while nothing is to be done: its memory, and how often one of its threads ran within half a minute. */
export async function benchDaemon(home: BenchHome): Promise<Row[]> {
  await command(["daemon", "restart"], { env: home.env });
  const { pid, rss_bytes } = await status();
  await sleep(2000); // what follows a start is over
  const alone = await wakeupsWhileIdle(pid);
  const withVms = await withIdleVms(() => wakeupsWhileIdle(pid));
  return [
    {
      name: "daemon's memory",
      n: 1,
      ours: `${(rss_bytes / 1e6).toFixed(0)} MB`,
      theirs: "",
      ratio: Number.NaN,
      target: "<= 120 MB",
      ok: rss_bytes <= MAX_BYTES,
    },
    wakeupRow("without a VM", alone),
    wakeupRow(`with ${VMS} idle VMs`, withVms),
  ];
}

function wakeupRow(when: string, count: number): Row {
  return {
    name: `daemon's wake-ups in ${IDLE_MS / 1000} s ${when}`,
    n: 1,
    ours: String(count),
    theirs: "",
    ratio: Number.NaN,
    target: `<= ${MAX_WAKEUPS}`,
    ok: count <= MAX_WAKEUPS,
  };
}

async function wakeupsWhileIdle(pid: number): Promise<number> {
  const before = await wakeups(pid);
  await sleep(IDLE_MS);
  return (await wakeups(pid)) - before;
}

/** With VMs whose systems have finished starting, and no client connected. */
async function withIdleVms(measure: () => Promise<number>): Promise<number> {
  const made: string[] = [];
  try {
    {
      using client = await Banger.connect();
      for (let i = 0; i < VMS; i++) {
        made.push((await client.create({ vcpu: 1, memoryMib: 256, wait: "system" })).keep().info.id);
      }
    }
    await sleep(SETTLE_MS);
    return await measure();
  } finally {
    using client = await Banger.connect();
    for (const id of made) await (await client.get(id)).delete();
  }
}

async function status() {
  using client = await Banger.connect();
  return client.status();
}

/** Context switches of all threads so far. */
async function wakeups(pid: number): Promise<number> {
  const folder = `/proc/${pid}/task`;
  const counts = await Promise.all(
    (await readdir(folder)).map(async (task) => {
      const text = await readFile(join(folder, task, "status"), "latin1");
      return Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(text)?.[1] ?? 0);
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}
