/** Kernels in bundles: what of one goes along, and what comes of a bundle. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { BundleContent, BundleManifest } from "../catalog/bundle.ts";
import type { Catalogs, Offer } from "../catalog/catalogs.ts";
import { hostArch } from "../catalog/document.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { hashFile } from "../host/hash.ts";
import { importKernel } from "./import.ts";
import { ENTRY, kernelDigest, type PackedKernel } from "./pack.ts";
import type { Kernel } from "./store.ts";

const Details = z.object({ release: z.string().regex(/^[\w.+~-]{1,128}$/) });

/** What a bundle of a kernel holds. @param name the one that it gets there */
export function kernelBundle(kernel: Kernel, name: string): BundleContent {
  const { digest, release } = kernel;
  const parts = [
    [ENTRY.image, kernel.vmlinuz],
    [ENTRY.modules, kernel.modules],
    [ENTRY.config, kernel.config],
  ] as const;
  const files = parts.flatMap(([file, path]) => (path === null ? [] : [{ name: file, path }]));
  return { kind: "kernel", name, arch: hostArch(), digest, details: { release }, files };
}

/**
 * Fills `folder` with the kernel of a catalog's entry. `scratch` is a folder to work in, the caller removes it.
 * @throws bundle_malformed, and as `Catalogs.fetch` and `importKernel`
 */
export async function installKernel(
  offer: Offer,
  catalogs: Catalogs,
  folder: string,
  scratch: string,
  work: Work,
): Promise<PackedKernel> {
  const unpacked = join(scratch, "bundle");
  await mkdir(unpacked, { mode: 0o700 });
  const bundle = await catalogs.fetch(offer, unpacked, work);
  checkKernelBundle(bundle);
  const part = (name: string) =>
    bundle.files.some((file) => file.name === name) ? join(unpacked, name) : null;
  const source = {
    vmlinuz: join(unpacked, ENTRY.image),
    modules: part(ENTRY.modules),
    config: part(ENTRY.config),
  };
  const packed = await importKernel(source, folder, scratch, work);
  if (packed.digest !== bundle.digest)
    throw malformed(bundle, "the release that it names is not its kernel's");
  return packed;
}

/** @throws bundle_malformed unless what a kernel's bundle says fits its files */
export function checkKernelBundle(bundle: BundleManifest): void {
  const details = Details.safeParse(bundle.details);
  if (!details.success) throw malformed(bundle, "its details tell no release");
  const hashes = new Map(bundle.files.map(({ name, sha256 }) => [name, sha256]));
  if (bundle.digest !== kernelDigest(details.data.release, hashes))
    throw malformed(bundle, "its digest is not that of its content");
}

/** Whether a kernel's files are what its digest says. */
export async function isKernelIntact(kernel: Kernel, signal: AbortSignal): Promise<boolean> {
  const hashes = new Map([[ENTRY.image as string, await hashFile(kernel.vmlinuz, signal)]]);
  if (kernel.modules !== null) hashes.set(ENTRY.modules, await hashFile(kernel.modules, signal));
  return kernel.digest === kernelDigest(kernel.release, hashes);
}

function malformed(bundle: BundleManifest, problem: string): BangerError {
  return BangerError.of("bundle_malformed", { bundle: bundle.name, problem });
}
