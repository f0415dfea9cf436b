/** Copies the modules that boot needs out of a kernel's modules: checked, decompressed, in the order of insertion. */
import { copyFile, readFile, realpath, rm, stat, writeFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { run } from "../host/run.ts";
import { UnusableKernel } from "./image/unusable.ts";
import { insertionOrder, moduleName } from "./modules.ts";

const MAX_MODULE = 64 * 1024 * 1024;
/** Debian's modules.dep is 70 kB for a cloud kernel, 600 kB for a whole one. */
const MAX_LIST = 16 * 1024 * 1024;
/** As `finit_module` and the initramfs's list take them. */
const NAME = /^[\w-]{1,64}$/;

/**
 * @param modules the kernel's `lib/modules/<release>`: nothing outside of it is read, whatever its lists and links say
 * @param target an empty folder
 * @returns names of the copies, in the order of insertion
 * @throws UnusableKernel
 */
export async function copyBootModules(
  modules: string,
  target: string,
  signal: AbortSignal,
): Promise<string[]> {
  const dep = await list(modules, "modules.dep");
  if (dep === null) throw new UnusableKernel("its modules have no modules.dep");
  const order = insertionOrder(dep, (await list(modules, "modules.builtin")) ?? "");
  if (order.lacking.length > 0) throw new UnusableKernel(`it has no ${order.lacking.join(", ")}`);
  const names: string[] = [];
  for (const file of order.files) {
    const name = moduleName(file);
    if (!NAME.test(name)) throw new UnusableKernel(`a module has a name that cannot be used: '${name}'`);
    const source = await within(modules, file);
    if (source === null)
      throw new UnusableKernel(`modules.dep names '${file}', which is not among its modules`);
    await plainCopy(source, join(target, `${name}.ko`), signal);
    names.push(`${name}.ko`);
  }
  return names;
}

/** The real path of a regular file of bearable size below `folder`; null when it is not one. */
async function within(folder: string, file: string, limit = MAX_MODULE): Promise<string | null> {
  const [root, path] = await Promise.all([realpath(folder), realpath(join(folder, file)).catch(() => null)]);
  if (path === null || !path.startsWith(root + sep)) return null;
  const info = await stat(path);
  return info.isFile() && info.size <= limit ? path : null;
}

async function list(modules: string, name: string): Promise<string | null> {
  const path = await within(modules, name, MAX_LIST);
  return path === null ? null : readFile(path, "utf8");
}

/** Copies a module, decompressed: the initramfs then works with kernels that cannot decompress modules themselves. */
async function plainCopy(source: string, target: string, signal: AbortSignal): Promise<void> {
  if (source.endsWith(".zst")) {
    await writeFile(target, zstdDecompressSync(await readFile(source), { maxOutputLength: MAX_MODULE }));
  } else if (source.endsWith(".xz")) {
    await copyFile(source, `${target}.xz`);
    await run("prlimit", [`--fsize=${MAX_MODULE}`, "xz", "--decompress", `${target}.xz`], { signal });
    await rm(`${target}.xz`, { force: true });
  } else {
    await copyFile(source, target);
  }
}
