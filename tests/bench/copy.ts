import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Banger, type Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { SeededRandom } from "../support/random.ts";
import { compare, growth, ms, type Row } from "./measure.ts";
import { peakMemory, program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { type SshVm, startSshVm } from "./ssh.ts";

const N = 3;
const FILE_BYTES = 500_000_000;
const CHUNK = 1_000_000;
const FOLDERS = 100;
const FILES_EACH = 100;

/** A large file and a tree of small ones into a guest and out of it, by `vm cp`, and by scp or tar through ssh. */
export async function benchCopy(home: BenchHome): Promise<Row[]> {
  const folder = await mkdtemp(join(home.path, "copy-"));
  const [file, tree] = [join(folder, "file"), join(folder, "tree")];
  await makeFile(file);
  await makeTree(tree);
  using banger = await Banger.connect();
  await using vm = await banger.create({ wait: "system" });
  const memory = await memoryRows(home, banger, vm, file, folder);
  const other = await startSshVm(home, vm.info);
  try {
    return [...(await timeRows(home, vm, other, { folder, file, tree })), ...memory];
  } finally {
    await other.end();
    await rm(folder, { recursive: true });
  }
}

/** Every run has a new target: what replacing costs is another question. */
async function timeRows(
  home: BenchHome,
  vm: Sandbox,
  other: SshVm,
  { folder, file, tree }: Record<"folder" | "file" | "tree", string>,
): Promise<Row[]> {
  let count = 0;
  const fresh = () => `t${count++}`;
  const cp = (from: string, to: string) => program(LAUNCHER, ["vm", "cp", "-q", from, to], home.env);
  /** `$1` is a folder of the host, `$@` after a shift are ssh's arguments. */
  const shell = (line: string, path: string) =>
    program("sh", ["-c", line, "sh", path, ...other.ssh], home.env);
  const scp = (from: string, to: string) => program("scp", [...scpOptions(other), from, to], home.env);
  const remote = (path: string) => `${other.ssh.at(-1)}:${path}`;
  const here = async () => {
    const path = join(folder, fresh());
    await mkdir(path);
    return path;
  };
  const fileIn = await compare(N, {
    ours: () => cp(file, `${vm.name}:/srv/${fresh()}`),
    theirs: () => scp(file, remote(`/srv/${fresh()}`)),
  });
  const fileOut = await compare(N, {
    ours: async () => cp(`${vm.name}:/srv/t0`, await here()),
    theirs: async () => scp(remote("/srv/t1"), await here()),
  });
  const first = count;
  const treeIn = await compare(N, {
    ours: () => cp(tree, `${vm.name}:/srv/${fresh()}`),
    theirs: () => {
      const to = `/srv/${fresh()}`;
      return shell(`tar c -C "$1" . | { shift; ssh "$@" "mkdir ${to} && tar x -C ${to}"; }`, tree);
    },
  });
  const treeOut = await compare(N, {
    ours: async () => cp(`${vm.name}:/srv/t${first}`, await here()),
    theirs: async () =>
      shell(`to="$1"; shift; ssh "$@" "tar c -C /srv/t${first + 1} ." | tar x -C "$to"`, await here()),
  });
  const row = (name: string, { ours, theirs }: Record<"ours" | "theirs", number>, by: string): Row => ({
    name,
    n: N,
    ours: ms(ours),
    theirs: `${ms(theirs)} \`${by}\``,
    ratio: ours / theirs,
    target: "<= 1",
    ok: ours <= theirs,
  });
  return [
    row("`vm cp` of a 500 MB file into a VM", fileIn, "scp"),
    row("`vm cp` of a 500 MB file out of a VM", fileOut, "scp"),
    row("`vm cp` of 10,000 small files into a VM", treeIn, "tar | ssh tar"),
    row("`vm cp` of 10,000 small files out of a VM", treeOut, "ssh tar | tar"),
  ];
}

async function memoryRows(
  home: BenchHome,
  banger: Banger,
  vm: Sandbox,
  file: string,
  folder: string,
): Promise<Row[]> {
  const idle = await peakMemory(
    LAUNCHER,
    ["vm", "cp", "-q", "/etc/hostname", `${vm.name}:/srv/small`],
    home.env,
  );
  const before = (await banger.status()).rss_bytes;
  const into = await peakMemory(LAUNCHER, ["vm", "cp", "-q", file, `${vm.name}:/srv/memory`], home.env);
  const out = await peakMemory(
    LAUNCHER,
    ["vm", "cp", "-q", `${vm.name}:/srv/memory`, join(folder, "memory")],
    home.env,
  );
  const after = (await banger.status()).rss_bytes;
  return [
    growth("client's memory, 500 MB into a VM against 10 bytes", 1, idle, into),
    growth("client's memory, 500 MB out of a VM", 1, idle, out),
    growth("daemon's memory, after 500 MB each way", 1, before, after),
  ];
}

/** ssh's options for scp, which calls the port by another letter. */
const scpOptions = ({ ssh }: SshVm) => ssh.slice(0, -1).map((word) => (word === "-p" ? "-P" : word));

async function makeFile(path: string): Promise<void> {
  const random = new SeededRandom(1);
  await pipeline(function* () {
    for (let at = 0; at < FILE_BYTES; at += CHUNK) yield random.bytes(CHUNK);
  }, createWriteStream(path));
}

async function makeTree(path: string): Promise<void> {
  const random = new SeededRandom(2);
  for (let folder = 0; folder < FOLDERS; folder++) {
    const at = join(path, String(folder));
    await mkdir(at, { recursive: true });
    for (let file = 0; file < FILES_EACH; file++)
      await writeFile(join(at, `file-${file}`), random.bytes(100 + random.below(4000)));
  }
}
