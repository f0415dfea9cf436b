import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { Banger, type Sandbox } from "../../src/sdk/index.ts";
import { LAUNCHER } from "../support/command.ts";
import { SeededRandom } from "../support/random.ts";
import { compare, compareLong, growth, ms, type Row } from "./measure.ts";
import { peakMemory, program } from "./programs.ts";
import type { BenchHome } from "./setting.ts";
import { type SshVm, startSshVm } from "./ssh.ts";

const N = 3;
const FILE_BYTES = 500_000_000;
const CHUNK = 1_000_000;
const FOLDERS = 100;
const FILES_EACH = 100;

/** A large file into a guest by `vm cp` and by scp, and the memory that it takes. */
export function benchCopyIn(home: BenchHome): Promise<Row[]> {
  return withPlace(home, async ({ vm, banger, folder, cp, scp, remote }) => {
    const file = await makeFile(join(folder, "file"));
    const memory = await memoryRows(home, banger, vm, file, folder);
    const to = counted("/srv/t");
    const times = await compareLong(N, {
      ours: () => cp(file, `${vm.name}:${to()}`),
      theirs: () => scp(file, remote(to())),
    });
    return [row("`vm cp` of a 500 MB file into a VM", times, "scp"), ...memory];
  });
}

/** The same file out of a guest. */
export function benchCopyOut(home: BenchHome): Promise<Row[]> {
  return withPlace(home, async ({ vm, folder, cp, scp, remote, fresh }) => {
    const file = await makeFile(join(folder, "file"));
    await cp(file, `${vm.name}:/srv/file`);
    await scp(file, remote("/srv/file"));
    const times = await compareLong(N, {
      ours: async () => cp(`${vm.name}:/srv/file`, await fresh()),
      theirs: async () => scp(remote("/srv/file"), await fresh()),
    });
    return [row("`vm cp` of a 500 MB file out of a VM", times, "scp")];
  });
}

/** A tree of small files, both ways, by `vm cp` and by tar through ssh. */
export function benchCopyTree(home: BenchHome): Promise<Row[]> {
  return withPlace(home, async ({ vm, folder, cp, ssh, fresh }) => {
    const tree = await makeTree(join(folder, "tree"));
    /** `$1` is a folder of the host, `$@` after a shift are ssh's arguments. */
    const shell = (line: string, path: string) => program("sh", ["-c", line, "sh", path, ...ssh], home.env);
    const next = counted("/srv/t");
    const into = await compare(N, {
      ours: () => cp(tree, `${vm.name}:${next()}`),
      theirs: () => {
        const to = next();
        return shell(`tar c -C "$1" . | { shift; ssh "$@" "mkdir ${to} && tar x -C ${to}"; }`, tree);
      },
    });
    const out = await compare(N, {
      ours: async () => cp(`${vm.name}:/srv/t0`, await fresh()),
      theirs: async () =>
        shell(`to="$1"; shift; ssh "$@" "tar c -C /srv/t1 ." | tar x -C "$to"`, await fresh()),
    });
    return [
      row("`vm cp` of 10,000 small files into a VM", into, "tar | ssh tar"),
      row("`vm cp` of 10,000 small files out of a VM", out, "ssh tar | tar"),
    ];
  });
}

/** A VM of banger's, one that ssh reaches over a network, and ways to copy. Every copy has a new target: replacing costs more. */
interface Place {
  readonly banger: Banger;
  readonly vm: Sandbox;
  /** A folder of the host. */
  readonly folder: string;
  readonly ssh: SshVm["ssh"];
  cp(from: string, to: string): Promise<void>;
  scp(from: string, to: string): Promise<void>;
  /** A path of the other VM in scp's words. */
  remote(path: string): string;
  /** One more empty folder of the host. */
  fresh(): Promise<string>;
}

async function withPlace(home: BenchHome, measure: (place: Place) => Promise<Row[]>): Promise<Row[]> {
  const folder = await mkdtemp(join(home.path, "copy-"));
  using banger = await Banger.connect();
  await using vm = await banger.create({ wait: "system" });
  const other = await startSshVm(home, vm.info);
  try {
    return await measure({
      banger,
      vm,
      folder,
      ssh: other.ssh,
      cp: (from, to) => program(LAUNCHER, ["vm", "cp", "-q", from, to], home.env),
      scp: (from, to) => program("scp", [...scpOptions(other), from, to], home.env),
      remote: (path) => `${other.ssh.at(-1)}:${path}`,
      fresh: () => mkdtemp(join(folder, "out-")),
    });
  } finally {
    await other.end();
    await rm(folder, { recursive: true });
  }
}

function counted(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}${count++}`;
}

function row(name: string, { ours, theirs }: Record<"ours" | "theirs", number>, by: string): Row {
  return {
    name,
    n: N,
    ours: ms(ours),
    theirs: `${ms(theirs)} \`${by}\``,
    ratio: ours / theirs,
    target: "<= 1",
    ok: ours <= theirs,
  };
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

async function makeFile(path: string): Promise<string> {
  const random = new SeededRandom(1);
  await pipeline(function* () {
    for (let at = 0; at < FILE_BYTES; at += CHUNK) yield random.bytes(CHUNK);
  }, createWriteStream(path));
  return path;
}

async function makeTree(path: string): Promise<string> {
  const random = new SeededRandom(2);
  for (let folder = 0; folder < FOLDERS; folder++) {
    const at = join(path, String(folder));
    await mkdir(at, { recursive: true });
    for (let file = 0; file < FILES_EACH; file++)
      await writeFile(join(at, `file-${file}`), random.bytes(100 + random.below(4000)));
  }
  return path;
}
