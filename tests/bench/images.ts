import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../../src/host/run.ts";
import { banger, homeEnvironment } from "../support/command.ts";
import { type Entry, Layout, tarOf } from "../support/oci-layout.ts";
import { SeededRandom } from "../support/random.ts";
import { registriesMissing, startRegistry } from "../support/registry.ts";
import { compare, ms, type Row } from "./measure.ts";

const LAYERS = 10;
const FILES = 3000;
const MEAN_BYTES = 10_240;
const ROUNDS = 3;
const MAX_BYTES = 300_000_000;

/** From a registry to a squashfs: an image of 300 MB in 30,000 files and ten layers, against the usual tools. */
export async function benchImages(): Promise<Row[]> {
  const missing = await registriesMissing();
  if (missing) {
    console.error(`images: skipped, ${missing}`);
    return [];
  }
  const folder = await mkdtemp(join(tmpdir(), "banger-bench-images-"));
  await using registry = await startRegistry();
  try {
    const layout = new Layout(join(folder, "layout"));
    const layers = [];
    for (let at = 0; at <= LAYERS; at++) layers.push(await layout.layer(tarOf(files(at))));
    await layout.image("first", layers.slice(0, LAYERS));
    const first = await registry.push(layout.folder, "first", "bench/image:first");
    await layout.image("second", [...layers.slice(0, LAYERS - 1), ...layers.slice(LAYERS)]);
    const second = await registry.push(layout.folder, "second", "bench/image:second");

    let turn = 0;
    const fresh = async () => {
      const path = join(folder, `turn-${turn++}`);
      await mkdir(path);
      return path;
    };
    let peak = 0;
    const times = await compare(ROUNDS, {
      ours: async () => {
        const home = await fresh();
        peak = Math.max(peak, await pull(first, home));
        await banger(["daemon", "stop"], { env: homeEnvironment(home) });
        await rm(home, { recursive: true });
      },
      theirs: async () => {
        const work = await fresh();
        const oci = `${work}/oci`;
        await run("skopeo", ["copy", "-q", "--src-tls-verify=false", `docker://${first}`, `oci:${oci}:x`]);
        await run("umoci", ["unpack", "--image", `${oci}:x`, `${work}/bundle`]);
        await run("mksquashfs", [
          `${work}/bundle/rootfs`,
          `${work}/out`,
          "-comp",
          "lz4",
          "-no-progress",
          "-quiet",
        ]);
        await rm(work, { recursive: true });
      },
    });

    const home = await fresh();
    await pull(first, home);
    const cache = join(home, ".cache/banger/layers");
    const before = (await readdir(cache)).length;
    await pull(second, home);
    const fetched = (await readdir(cache)).length - before;
    await banger(["daemon", "stop"], { env: homeEnvironment(home) });
    const ratio = times.ours / times.theirs;
    return [
      {
        name: "`image pull`, 300 MB in 30,000 files and 10 layers",
        n: ROUNDS,
        ours: ms(times.ours),
        theirs: `${ms(times.theirs)} \`skopeo copy\`, \`umoci unpack\`, \`mksquashfs -comp lz4\``,
        ratio,
        target: "<= 0.6",
        ok: ratio <= 0.6,
      },
      {
        name: "its peak memory, daemon and sqfstar together",
        n: ROUNDS + 1,
        ours: `${(peak / 1e6).toFixed(0)} MB`,
        theirs: "",
        ratio: Number.NaN,
        target: "<= 300 MB",
        ok: peak <= MAX_BYTES,
      },
      {
        name: "layers fetched for a second image that shares 9 of 10",
        n: 1,
        ours: String(fetched),
        theirs: "",
        ratio: Number.NaN,
        target: "1",
        ok: fetched === 1,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Files of words, which compress about as programs and texts do. */
function* files(layer: number): Generator<Entry> {
  const random = new SeededRandom(layer + 1);
  const words = Array.from({ length: 4096 }, () => random.bytes(2 + random.below(9)).toString("base64url"));
  const picks = random.bytes(2 * 1024 * 1024);
  let text = "";
  for (let at = 0; at < picks.length; at += 2) text += `${words[picks.readUInt16LE(at) % words.length]} `;
  for (let at = 0; at < FILES; at++) {
    const start = random.below(text.length - 2 * MEAN_BYTES);
    yield {
      path: `usr/share/l${layer}/d${at % 100}/f${at}`,
      content: text.slice(start, start + random.below(2 * MEAN_BYTES)),
    };
  }
}

/** Pulls with a daemon of its own. @returns the largest resident size of daemon and sqfstar together, as far as seen */
async function pull(ref: string, home: string): Promise<number> {
  let peak = 0;
  let done = false;
  const watching = (async () => {
    while (!done) {
      peak = Math.max(peak, await residentBelow(home));
      await sleep(25);
    }
  })();
  const result = await banger(["image", "pull", "-q", ref], { env: homeEnvironment(home) });
  done = true;
  await watching;
  if (result.code !== 0) throw new Error(result.stderr);
  return peak;
}

async function residentBelow(home: string): Promise<number> {
  let sum = 0;
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const read = (name: string) => readFile(join("/proc", pid, name), "latin1").catch(() => "");
    const commandLine = await read("cmdline");
    const ours = commandLine.includes("daemon/main") || commandLine.startsWith("sqfstar");
    if (!ours || !(await read("environ")).split("\0").includes(`HOME=${home}`)) continue;
    sum += Number(/^VmRSS:\s+(\d+) kB$/m.exec(await read("status"))?.[1] ?? 0) * 1024;
  }
  return sum;
}
