/** The uncompressed kernel of a kernel in the store, kept in the cache by its digest. */
import { open, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { exists, privateDirectory, publishFile } from "../host/files.ts";
import { unpackKernel } from "./image/bzimage.ts";
import { hasPvhEntry, isElf } from "./image/elf.ts";
import { UnusableKernel } from "./image/unusable.ts";

/** An ELF kernel, or why there is none. */
export type ElfKernel = { readonly path: string; readonly pvh: boolean } | { readonly problem: string };

/**
 * @param cache banger's cache folder
 * @returns `<cache>/vmlinux/<digest>`, or the image itself when it is ELF
 */
export async function elfKernel(
  cache: string,
  { digest, vmlinuz }: { readonly digest: string; readonly vmlinuz: string },
): Promise<ElfKernel> {
  const kept = keptAt(cache, digest);
  try {
    if (await exists(kept)) return await found(kept);
    await privateDirectory(dirname(kept));
    return await found(await unpack(vmlinuz, kept));
  } catch (error) {
    if (error instanceof UnusableKernel) return { problem: error.message };
    throw error;
  }
}

/** As `elfKernel`, but makes nothing: what was not unpacked yet is not there. */
export async function keptElfKernel(cache: string, digest: string): Promise<ElfKernel> {
  const kept = keptAt(cache, digest);
  return (await exists(kept)) ? found(kept) : { problem: "it has not been unpacked yet" };
}

const keptAt = (cache: string, digest: string) => join(cache, "vmlinux", digest);

const found = async (path: string) => ({ path, pvh: await enterable(path) });

async function unpack(image: string, target: string): Promise<string> {
  const bytes = await readFile(image);
  if (isElf(bytes)) return image;
  const kernel = await unpackKernel(bytes);
  await publishFile(target, (temporary) => writeFile(temporary, kernel, { mode: 0o600, flag: "wx" }));
  return target;
}

async function enterable(path: string): Promise<boolean> {
  const file = await open(path, "r");
  try {
    return await hasPvhEntry(file);
  } finally {
    await file.close();
  }
}
