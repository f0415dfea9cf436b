/** Finds a kernel's parts in a folder of the user's: a build's result, an unpacked package, what `kernel export` wrote, /boot. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { UnusableKernel } from "./image/unusable.ts";

/** Where the parts of a kernel lie. */
export interface KernelParts {
  /** bzImage or ELF. */
  readonly image: string;
  /** Its `lib/modules/<release>`, or that packed as squashfs. */
  readonly modules: string | null;
  readonly config: string | null;
}

const COMPRESSED = /^(vmlinuz|bzImage)(-.+)?$/;
const PLAIN = /^vmlinux(-.+)?$/;

/** @throws UnusableKernel when there is not exactly one */
export async function locateImage(folder: string): Promise<string> {
  // The last one is where the kernel's own build leaves it.
  const places = [folder, join(folder, "boot"), join(folder, "arch/x86/boot")];
  for (const name of [COMPRESSED, PLAIN]) {
    const found = (await Promise.all(places.map((place) => filesOf(place, name)))).flat();
    if (found.length > 1) {
      throw new UnusableKernel(`${folder} holds several: ${found.join(", ")}; name one with --vmlinuz`);
    }
    if (found[0] !== undefined) return found[0];
  }
  throw new UnusableKernel(`${folder} holds no vmlinuz, bzImage or vmlinux`);
}

/** What belongs to the kernel of that release in the folder. @throws UnusableKernel when there are modules, but of another release */
export async function locateModules(folder: string, release: string): Promise<string | null> {
  const packed = await filesOf(folder, /^modules\.squashfs$/);
  if (packed[0] !== undefined) return packed[0];
  const others: string[] = [];
  for (const base of ["lib/modules", "usr/lib/modules"]) {
    const releases = await foldersOf(join(folder, base));
    if (releases.includes(release)) return join(folder, base, release);
    others.push(...releases);
  }
  if (others.length === 0) return null;
  throw new UnusableKernel(`it is ${release}, but the modules in ${folder} are of ${others.join(", ")}`);
}

/** The configuration's file in the folder. */
export async function locateConfig(folder: string, release: string): Promise<string | null> {
  const found = await Promise.all([
    filesOf(folder, /^config$/),
    filesOf(folder, /^\.config$/),
    ...[folder, join(folder, "boot")].map((place) =>
      filesOf(place, /^config-/).then((files) => files.filter((file) => file.endsWith(`/config-${release}`))),
    ),
  ]);
  return found.flat()[0] ?? null;
}

/** Regular files only: no link is followed that the user did not name. */
async function filesOf(folder: string, name: RegExp): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(folder, entry.name));
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}
