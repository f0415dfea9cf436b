/** Images in bundles: what of one goes along, and what comes of a bundle. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { BundleContent, BundleManifest } from "../catalog/bundle.ts";
import type { Catalogs, Offer } from "../catalog/catalogs.ts";
import { hostArch } from "../catalog/document.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { hashFile, hashParts } from "../host/hash.ts";
import { type Image, Manifest } from "./manifest.ts";
import { ROOTFS } from "./squashfs.ts";

const IN_BUNDLE = "rootfs";
const Details = Manifest.pick({ init: true, env: true, run: true }).extend({
  kernel: z.string().max(64).nullable(),
});

/**
 * What a bundle of an image holds.
 * @param name the one that it gets there
 * @param kernel the kernel that it is made for; null: any
 */
export function imageBundle(image: Image, name: string, kernel: string | null): BundleContent {
  const { digest, init, env, run, rootfs } = image;
  const details: z.infer<typeof Details> = { init, env, run, kernel };
  const files = [{ name: IN_BUNDLE, path: rootfs }];
  return { kind: "image", name, arch: hostArch(), digest, details, files };
}

/**
 * Fills `folder` with the image of a catalog's entry.
 * @throws bundle_malformed, and as `Catalogs.fetch`
 */
export async function installImage(
  offer: Offer,
  catalogs: Catalogs,
  folder: string,
  work: Work,
): Promise<{ digest: string; manifest: Manifest }> {
  const bundle = await catalogs.fetch(offer, folder, work);
  await rename(join(folder, IN_BUNDLE), join(folder, ROOTFS));
  const { details, sizeBytes } = checkImageBundle(bundle);
  const { name, sha256, catalog } = offer;
  const manifest = Manifest.safeParse({
    layout: 1,
    name,
    digest: bundle.digest,
    ...details,
    source: "catalog",
    origin: `sha256:${sha256}`,
    description: `from ${catalog}`.slice(0, 200),
    sizeBytes,
    createdAt: new Date().toISOString(),
  });
  if (!manifest.success) throw malformed(bundle, manifest.error);
  return { digest: bundle.digest, manifest: manifest.data };
}

/**
 * What an image's bundle says about it, when that fits its files.
 * @throws bundle_malformed
 */
export function checkImageBundle(bundle: BundleManifest): {
  details: z.infer<typeof Details>;
  sizeBytes: number;
} {
  const details = Details.safeParse(bundle.details);
  if (!details.success) throw malformed(bundle, details.error);
  const { sha256 = "", size = 0 } = bundle.files.find(({ name }) => name === IN_BUNDLE) ?? {};
  if (!isDigestOf(bundle.digest, sha256, details.data)) {
    throw BangerError.of("bundle_malformed", {
      bundle: bundle.name,
      problem: "its digest is not that of its content",
    });
  }
  return { details: details.data, sizeBytes: size };
}

/** Whether an image's file is what its digest says. */
export async function isIntact(image: Image, signal: AbortSignal): Promise<boolean> {
  return isDigestOf(image.digest, await hashFile(image.rootfs, signal), image);
}

/** A recipe's image has the digest of its file; that of others covers what they run, too. */
function isDigestOf(digest: string, rootfs: string, { env, run }: Pick<Image, "env" | "run">): boolean {
  return digest === rootfs || digest === contentDigest(rootfs, { env, run });
}

/** Two images may have the same files and differ in what they run. */
export function contentDigest(rootfs: string, settings: Pick<Image, "env" | "run">): string {
  return hashParts([
    ["rootfs", rootfs],
    ["settings", JSON.stringify(settings)],
  ]);
}

function malformed(bundle: BundleManifest, error: z.ZodError): BangerError {
  const [issue] = error.issues;
  const problem = `its details: ${issue?.path.join(".")}: ${issue?.message}`;
  return BangerError.of("bundle_malformed", { bundle: bundle.name, problem });
}
