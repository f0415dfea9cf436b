/** Turns a kernel's parts into a store entry: vmlinuz, and where it has them modules.squashfs, the modules that boot needs, config. */
import { copyFile, mkdir, readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { hashFile, hashParts } from "../host/hash.ts";
import { run } from "../host/run.ts";
import { copyBootModules } from "./boot-modules.ts";
import { UnusableKernel } from "./image/unusable.ts";

export interface UnpackedKernel {
  readonly release: string;
  /** The kernel image. */
  readonly image: string;
  /** Its `lib/modules/<release>`; null when everything is built in. */
  readonly modules: string | null;
  /** The same as squashfs, when they came so. */
  readonly packedModules?: string | null;
  readonly config?: string | null;
}

export interface PackedKernel {
  readonly release: string;
  readonly digest: string;
  /** Files of `boot/`, in the order of insertion. */
  readonly bootModules: readonly string[];
  readonly modules: boolean;
  readonly config: boolean;
  readonly sizeBytes: number;
}

/** Names within an entry. */
export const ENTRY = {
  image: "vmlinuz",
  modules: "modules.squashfs",
  boot: "boot",
  config: "config",
} as const;

/** Bumped when the entry made of one and the same kernel changes (another list of boot modules, say). */
export const PACK_VERSION = 1;

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
  const { release, modules, packedModules = null, config = null } = kernel;
  const at = (name: string) => join(folder, name);
  await rename(kernel.image, at(ENTRY.image));
  if (config !== null) await writeFile(at(ENTRY.config), config, { mode: 0o600 });
  let bootModules: readonly string[] = [];
  if (modules !== null) {
    // Packages bring no modules.dep: it is made when they are installed.
    if (packedModules === null) await run("depmod", ["-b", root, release], { signal });
    await mkdir(at(ENTRY.boot), { mode: 0o700 });
    bootModules = await copyBootModules(modules, at(ENTRY.boot), signal);
    if (packedModules === null) await makeSquashfs(modules, at(ENTRY.modules), signal);
    else await copyFile(packedModules, at(ENTRY.modules));
  }
  const files = [ENTRY.image, ...(modules === null ? [] : [ENTRY.modules])];
  const hashes = files.map(async (name) => [name, await hashFile(at(name), signal)] as const);
  const digest = kernelDigest(release, new Map(await Promise.all(hashes)));
  const sizes = await Promise.all(files.map(async (name) => (await stat(at(name))).size));
  const sizeBytes = sizes.reduce((a, b) => a + b, 0);
  return { release, digest, bootModules, modules: modules !== null, config: config !== null, sizeBytes };
}

/**
 * What identifies a kernel. Not its configuration: that describes the kernel, nothing boots it.
 * @param hashes sha256 of its files by their names in an entry
 */
export function kernelDigest(release: string, hashes: ReadonlyMap<string, string>): string {
  const booted = [ENTRY.image, ENTRY.modules].flatMap((name) => {
    const hash = hashes.get(name);
    return hash === undefined ? [] : [[name, hash] as const];
  });
  return hashParts([["layout", `${PACK_VERSION}`], ["release", release], ...booted]);
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
