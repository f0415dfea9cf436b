/** Turns an unpacked kernel into a store entry: vmlinuz, modules.squashfs and the modules that boot needs. */
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { hashFile, hashParts } from "../host/hash.ts";
import { run } from "../host/run.ts";
import { BOOT_MODULES, insertionOrder, moduleName } from "./modules.ts";

export interface UnpackedKernel {
  readonly release: string;
  /** The kernel image. */
  readonly image: string;
  /** Its `lib/modules/<release>`. */
  readonly modules: string;
}

export interface PackedKernel {
  readonly release: string;
  readonly digest: string;
  /** Files of `boot/`, in the order of insertion. */
  readonly bootModules: readonly string[];
  readonly sizeBytes: number;
}

/** A kernel that cannot boot our VMs. */
export class UnusableKernel extends Error {}

/** Bumped when the entry made of one and the same kernel changes (another list of boot modules, say). */
export const PACK_VERSION = 1;
const MAX_MODULE = 64 * 1024 * 1024;

/**
 * Finds image and modules in a folder that a kernel package was unpacked to.
 * @throws UnusableKernel when there is not exactly one kernel
 */
export async function findKernel(root: string): Promise<UnpackedKernel> {
  for (const base of ["lib/modules", "usr/lib/modules"]) {
    const releases = await readdir(join(root, base)).catch(() => [] as string[]);
    const release = releases[0];
    if (releases.length > 1) throw new UnusableKernel(`it holds several kernels: ${releases.join(", ")}`);
    if (release !== undefined) {
      return { release, image: join(root, "boot", `vmlinuz-${release}`), modules: join(root, base, release) };
    }
  }
  throw new UnusableKernel("it holds no lib/modules/<release>");
}

/**
 * Fills `folder` with the entry. Consumes `kernel`: its files may be moved or changed.
 * @param root folder that `kernel.modules` is `lib/modules/<release>` of
 * @throws UnusableKernel | ProcessError
 */
export async function packKernel(
  kernel: UnpackedKernel,
  root: string,
  folder: string,
  signal: AbortSignal,
): Promise<PackedKernel> {
  await rename(kernel.image, join(folder, "vmlinuz"));
  // Packages bring no modules.dep: it is made when they are installed.
  await run("depmod", ["-b", root, kernel.release], { signal });
  const modules = join(folder, "modules.squashfs");
  const [bootModules] = await Promise.all([
    copyBootModules(kernel.modules, join(folder, "boot"), signal),
    makeSquashfs(kernel.modules, modules, signal),
  ]);
  const files = ["vmlinuz", "modules.squashfs"];
  const digest = hashParts([
    ["layout", `${PACK_VERSION}`],
    ["release", kernel.release],
    ...(await Promise.all(
      files.map(async (name) => [name, await hashFile(join(folder, name), signal)] as const),
    )),
  ]);
  const sizes = await Promise.all(files.map(async (name) => (await stat(join(folder, name))).size));
  return { release: kernel.release, digest, bootModules, sizeBytes: sizes.reduce((a, b) => a + b, 0) };
}

async function makeSquashfs(source: string, target: string, signal: AbortSignal): Promise<void> {
  const args = [
    source,
    target,
    "-comp",
    "lz4",
    "-all-root",
    "-no-xattrs",
    "-noappend",
    "-no-progress",
    "-quiet",
  ];
  // Fixed times: equal modules give an equal file, hence an equal digest.
  await run("mksquashfs", [...args, "-mkfs-time", "0", "-all-time", "0"], { signal });
}

async function copyBootModules(modules: string, target: string, signal: AbortSignal): Promise<string[]> {
  const text = (name: string) => readFile(join(modules, name), "utf8");
  const order = insertionOrder(await text("modules.dep"), await text("modules.builtin"), BOOT_MODULES);
  if (order.lacking.length > 0) throw new UnusableKernel(`it has no ${order.lacking.join(", ")}`);
  await mkdir(target, { mode: 0o700 });
  const names: string[] = [];
  for (const file of order.files) {
    const name = `${moduleName(file)}.ko`;
    await plainCopy(join(modules, file), join(target, name), signal);
    names.push(name);
  }
  return names;
}

/** Copies a module, decompressed: the initramfs then works with kernels that cannot decompress modules themselves. */
async function plainCopy(source: string, target: string, signal: AbortSignal): Promise<void> {
  if (source.endsWith(".zst")) {
    await writeFile(target, zstdDecompressSync(await readFile(source), { maxOutputLength: MAX_MODULE }));
  } else if (source.endsWith(".xz")) {
    await copyFile(source, `${target}.xz`);
    await run("xz", ["--decompress", `${target}.xz`], { signal });
    await rm(`${target}.xz`, { force: true });
  } else {
    await copyFile(source, target);
  }
}
