/** Kernels against each other, on QEMU without banger around it: as bzImage and unpacked, the default one and the generic one. */
import { readFile } from "node:fs/promises";
import { ensureAgentBinary } from "../../src/disk/agent-binary.ts";
import { ensureInitramfs } from "../../src/disk/initramfs.ts";
import { resolvePaths } from "../../src/host/paths.ts";
import { elfKernel } from "../../src/kernels/elf-kernel.ts";
import { KernelStore } from "../../src/kernels/store.ts";
import { Banger } from "../../src/sdk/index.ts";
import type { LaunchSpec } from "../../src/vmm/driver.ts";
import { quietly } from "../support/launch-spec.ts";
import { prepareBare, startBare } from "./bare.ts";
import { median, ms, type Row } from "./measure.ts";
import type { BenchHome } from "./setting.ts";

const N = 11;
/** Clock ticks of /proc/PID/stat. */
const TICK_MS = 10;

/** A boot to the agent's hello, in milliseconds. */
interface Boot {
  /** Processor time of QEMU: says something on a busy host, too. */
  readonly processor: number;
  /** Guest time from the kernel's start to our init. */
  readonly init: number;
}

export async function benchKernels({ path, emulator }: BenchHome): Promise<Row[]> {
  using banger = await Banger.connect();
  const vm = await banger.create({ start: false });
  const spec = await prepareBare(path, vm.info);
  await vm.delete();
  const packed = { ...spec, kernel: { ...spec.kernel, elf: { problem: "as it came" } } };
  const generic = await genericSpec(spec, process.env.BANGER_TEST_GENERIC);
  const ways = { unpacked: spec, packed, ...(generic && { generic }) };
  const boots: Record<string, Boot[]> = {};
  for (let round = 0; round < N; round++)
    for (const [name, way] of Object.entries(ways))
      boots[name] = [...(boots[name] ?? []), await bootOnce(way, emulator)];
  const of = (name: string, what: keyof Boot) => median((boots[name] ?? []).map((boot) => boot[what]));
  const row = (
    name: string,
    what: keyof Boot,
    [a, b]: [string, string],
    about: string,
    most: number,
  ): Row => {
    const [ours, theirs] = [of(a, what), of(b, what)];
    const ratio = ours / theirs;
    const target = `<= ${most}`;
    return { name, n: N, ours: ms(ours), theirs: `${ms(theirs)} ${about}`, ratio, target, ok: ratio <= most };
  };
  const rows = [
    row("processor time to the hello", "processor", ["unpacked", "packed"], "from the bzImage", 1),
  ];
  if (generic) {
    const pair: [string, string] = ["generic", "unpacked"];
    rows.push(
      row("generic kernel, guest time to our init", "init", pair, "debian-cloud", 0.5),
      row("generic kernel, processor time to the hello", "processor", pair, "debian-cloud", 1),
    );
  }
  return rows;
}

async function bootOnce(spec: LaunchSpec, emulator: BenchHome["emulator"]): Promise<Boot> {
  const vm = await startBare(spec, emulator);
  const stat = await readFile(`/proc/${vm.process.pid}/stat`, "latin1");
  const [user, system] = stat.slice(stat.lastIndexOf(")")).split(" ").slice(12).map(Number);
  const init = vm.session.hello.initNs / 1e6;
  await vm.end();
  return { processor: ((user ?? 0) + (system ?? 0)) * TICK_MS, init };
}

/** @param folder what kernels/generic/build.sh left; undefined: null */
async function genericSpec(spec: LaunchSpec, folder: string | undefined): Promise<LaunchSpec | null> {
  if (folder === undefined) return null;
  const paths = resolvePaths();
  const kernel = await new KernelStore({ paths }).import("generic", { from: folder }, quietly);
  const agent = await ensureAgentBinary(paths, quietly);
  return {
    ...spec,
    kernel: { image: kernel.vmlinuz, elf: await elfKernel(paths.cache, kernel) },
    initramfs: await ensureInitramfs(paths, { agent, modules: [] }),
    disks: { ...spec.disks, modules: null },
  };
}
