/** The short nested bed: a root of this host's own programs with banger in it, and in banger's home what its first VM needs. */
import assert from "node:assert/strict";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists } from "../../../src/host/files.ts";
import { run } from "../../../src/host/run.ts";
import { banger, homeEnvironment, LAUNCHER } from "../command.ts";
import { linkTree, type TestHome } from "../home.ts";
import { ownFile, ownPrograms } from "./own-programs.ts";

/** Also in the bed: what Node kept of its sources is found by their paths. */
export const REPOSITORY = dirname(LAUNCHER);
/** The image of the bed's VMs: a shell and `uname`. */
export const TINY = "tiny";

const SHELL = ["sh", "cp", "env", "mkdir", "modprobe", "readlink", "true"];
const TOOLS = ["bwrap", "debugfs", "mke2fs", "qemu-system-x86_64"];
const FIRMWARE = ["qboot.rom", "linuxboot_dma.bin", "pvh.bin"];
const SETTINGS = ["/etc/ld.so.cache", "/etc/mke2fs.conf"];
const SEEDED = [
  ".local/state/banger/kernels",
  ".cache/banger/agent",
  ".cache/banger/initramfs",
  ".cache/banger/node",
  ".cache/banger/vmlinux",
];

/** Packs the bed's root. @returns a tar for `banger image import` */
export async function packBed(home: TestHome): Promise<string> {
  const root = join(home.path, "bed");
  await ownPrograms(root, [...SHELL, ...TOOLS, process.execPath]);
  for (const file of [...SETTINGS, ...(await firmware())]) await ownFile(root, file);
  await putBanger(join(root, REPOSITORY));
  await putSupplies(home, join(root, "root"));
  return pack(root);
}

/** Where QEMU itself looks for it. */
async function firmware(): Promise<string[]> {
  const { stdout } = await run("qemu-system-x86_64", ["-L", "help"]);
  const folders = stdout.trim().split("\n");
  const places = FIRMWARE.flatMap((name) => folders.map((folder) => join(folder, name)));
  const there = await Promise.all(places.map(exists));
  return places.filter((_, index) => there[index]);
}

/** banger as it is here, without what only its development needs. */
async function putBanger(target: string): Promise<void> {
  const { packages } = JSON.parse(await readFile(join(REPOSITORY, "package-lock.json"), "utf8")) as {
    packages: Record<string, { readonly dev?: boolean }>;
  };
  const needed = Object.keys(packages).filter((path) => path !== "" && !packages[path]?.dev);
  const parts = ["banger", "package.json", "src", "guest", "images", "node_modules/.package-lock.json"];
  for (const part of [...parts, ...needed])
    if (await exists(join(REPOSITORY, part)))
      await cp(join(REPOSITORY, part), join(target, part), { recursive: true, verbatimSymlinks: true });
}

async function putSupplies(home: TestHome, inner: string): Promise<void> {
  for (const part of SEEDED) await linkTree(join(home.path, part), join(inner, part));
  // Its own, whichever driver the run's homes have: there is no other in it.
  await mkdir(join(inner, ".config/banger"), { recursive: true, mode: 0o700 });
  await writeFile(join(inner, ".config/banger/config.toml"), `default_image = "${TINY}"\nwarm_cache = 0\n`);
  const tiny = join(home.path, TINY);
  await ownPrograms(tiny, ["sh", "uname"]);
  const archive = await pack(tiny);
  for (const args of [
    ["image", "import", archive, TINY],
    ["daemon", "stop"],
  ]) {
    const result = await banger(args, { env: homeEnvironment(inner) });
    assert.equal(result.code, 0, `banger ${args.join(" ")}: ${result.stderr}`);
  }
}

async function pack(root: string): Promise<string> {
  const archive = `${root}.tar`;
  await run("tar", ["-C", root, "--owner=0", "--group=0", "-cf", archive, "."]);
  return archive;
}
