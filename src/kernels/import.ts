/** A kernel of files of this host: checked, so that one which cannot boot a VM is refused before it is in the store. */
import { constants } from "node:fs";
import { cp, lstat, mkdir, open, readdir, realpath, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Work } from "../core/stage.ts";
import { exists } from "../host/files.ts";
import { run } from "../host/run.ts";
import { requireTool } from "../host/tools.ts";
import { MAX_KERNEL, unpackKernel } from "./image/bzimage.ts";
import { isElf } from "./image/elf.ts";
import { configOf, lackingOptions, MAX_CONFIG, releaseOf } from "./image/identity.ts";
import { UnusableKernel } from "./image/unusable.ts";
import { type KernelParts, locateConfig, locateImage, locateModules } from "./locate.ts";
import { type PackedKernel, packKernel } from "./pack.ts";

/** What to import, as absolute paths: a folder that holds the parts, or the image itself. */
export type KernelSource =
  | { readonly from: string }
  | { readonly vmlinuz: string; readonly modules: string | null; readonly config: string | null };

const MAX_PACKED_MODULES = 2 * 1024 * 1024 * 1024;
const MAX_FILE = 256 * 1024 * 1024;

/**
 * Fills `folder` with the entry; the user's files stay as they are. `scratch` is a folder to work in, the caller removes it.
 * @throws UnusableKernel | host_packages_missing | ProcessError
 */
export async function importKernel(
  source: KernelSource,
  folder: string,
  scratch: string,
  work: Work,
): Promise<PackedKernel> {
  work.report.stage("reading kernel", "from" in source ? source.from : basename(source.vmlinuz));
  // What is named outright may be a link, as /boot/vmlinuz is; what lies in a folder may not.
  const [image, follow] = "from" in source ? [await locateImage(source.from), false] : [source.vmlinuz, true];
  const bytes = await readBounded(image, MAX_KERNEL, follow);
  const kernel = isElf(bytes) ? bytes : await unpackKernel(bytes);
  const release = releaseOf(kernel);
  if (release === null) throw new UnusableKernel("it does not tell its release");
  const parts = await partsOf(source, image, release);
  const config =
    parts.config === null
      ? configOf(kernel)
      : (await readBounded(parts.config, MAX_CONFIG, follow)).toString("utf8");
  check(config, parts.modules !== null, work);
  work.signal.throwIfAborted();

  work.report.stage("packing kernel", release);
  const root = join(scratch, "root");
  const modules = join(root, "lib/modules", release);
  await mkdir(join(root, "lib/modules"), { recursive: true, mode: 0o700 });
  await writeFile(join(scratch, "image"), bytes, { mode: 0o600 });
  const packed = parts.modules === null ? null : await takeModules(parts.modules, release, modules, work);
  return packKernel(
    {
      release,
      image: join(scratch, "image"),
      modules: parts.modules === null ? null : modules,
      packedModules: packed,
      config,
    },
    root,
    folder,
    work.signal,
  );
}

async function partsOf(source: KernelSource, image: string, release: string): Promise<KernelParts> {
  if (!("from" in source)) return { image, modules: source.modules, config: source.config };
  const [modules, config] = await Promise.all([
    locateModules(source.from, release),
    locateConfig(source.from, release),
  ]);
  return { image, modules, config };
}

function check(config: string | null, modules: boolean, work: Work): void {
  if (config === null) {
    const brings = modules ? "no configuration" : "neither modules nor a configuration";
    work.report.notice(`the kernel brings ${brings}: whether it can boot a VM was not checked`);
    return;
  }
  const lacking = lackingOptions(config, modules);
  if (lacking.length === 0) return;
  const without = modules ? "" : " built in (no modules were given)";
  throw new UnusableKernel(`it lacks ${lacking.join(", ")}${without}`);
}

async function readBounded(path: string, limit: number, follow: boolean): Promise<Buffer> {
  const flags = constants.O_RDONLY | constants.O_NONBLOCK | (follow ? 0 : constants.O_NOFOLLOW);
  const file = await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    throw new UnusableKernel(`${path} cannot be read (${error.code})`, { cause: error });
  });
  try {
    const info = await file.stat();
    if (!info.isFile()) throw new UnusableKernel(`${path} is not a file`);
    if (info.size > limit) throw new UnusableKernel(`${path} is larger than ${limit} bytes`);
    return await file.readFile();
  } finally {
    await file.close();
  }
}

/**
 * Brings modules to `target`, a folder that does not exist yet.
 * @param path `lib/modules/<release>`, the folder above it, or a squashfs
 * @returns the squashfs, when they came so
 */
async function takeModules(
  path: string,
  release: string,
  target: string,
  work: Work,
): Promise<string | null> {
  const info = await stat(path).catch(() => null);
  if (info?.isFile()) {
    if (info.size > MAX_PACKED_MODULES)
      throw new UnusableKernel(`${path} is larger than ${MAX_PACKED_MODULES} bytes`);
    await requireTool("unsquashfs");
    const unpack = ["unsquashfs", "-no-progress", "-quiet", "-no-xattrs", "-d", target, path];
    await run("prlimit", [`--fsize=${MAX_FILE}`, ...unpack], { signal: work.signal });
    return path;
  }
  if (!info?.isDirectory()) throw new UnusableKernel(`there are no modules at ${path}`);
  const below = join(path, release);
  const folder = (await exists(below)) ? below : path;
  const names = await readdir(folder);
  if (!names.some((name) => name === "modules.order" || name === "modules.dep" || name === "kernel"))
    throw new UnusableKernel(`${path} is no folder of kernel modules`);
  await requireTool("depmod");
  await requireTool("mksquashfs");
  // `build` and `source` lead to headers, and a link elsewhere is not the kernel's either.
  const filter = async (entry: string) => {
    const kind = await lstat(entry);
    return kind.isDirectory() || kind.isFile();
  };
  await cp(await realpath(folder), target, { recursive: true, filter });
  return null;
}
