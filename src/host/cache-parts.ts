/** What lies in the cache folder: everything in it can be made again. */
import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { allocatedBytes } from "./disk-usage.ts";
import type { Paths } from "./paths.ts";

/** What the folders of the cache are for; one that is not listed goes by its own name. */
const MEANING: Readonly<Record<string, string>> = {
  agent: "the guest agent, compiled",
  apt: "package lists and downloads of kernels",
  catalogs: "catalogs, as last fetched",
  downloads: "bundles of catalogs on their way",
  initramfs: "boot files",
  layers: "layers of images from registries",
  npm: "packages of npm that images are made with",
  node: "banger's own program, compiled",
  templates: "empty disks to copy",
  vmlinux: "kernels, unpacked",
  warm: "templates that VMs start warm from",
};

export interface CachePart {
  readonly name: string;
  readonly meaning: string;
  readonly bytes: number;
}

export async function cacheParts(paths: Paths): Promise<CachePart[]> {
  const names = await readdir(paths.cache).catch(() => [] as string[]);
  return Promise.all(
    names
      .filter((name) => !name.startsWith(".tmp-"))
      .sort()
      .map(async (name) => ({
        name,
        meaning: MEANING[name] ?? name,
        bytes: await allocatedBytes(join(paths.cache, name)),
      })),
  );
}

/** Removes a part. Cut off, it leaves something named `.tmp-…`. @param name from `cacheParts` */
export async function removeCachePart(paths: Paths, name: string): Promise<void> {
  const doomed = join(paths.cache, `.tmp-removed-${name}`);
  await rm(doomed, { recursive: true, force: true });
  await rename(join(paths.cache, name), doomed);
  await rm(doomed, { recursive: true, force: true });
}
