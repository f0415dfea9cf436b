/**
 * The initramfs: the agent as /init, the kernel modules that boot needs, and /modules.list that names them in order.
 * Not compressed: the monitor loads it into memory at once, and unpacking would cost guest time.
 */
import { readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { exists, privateDirectory, publishFile } from "../host/files.ts";
import { hashParts } from "../host/hash.ts";
import type { Paths } from "../host/paths.ts";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

export interface InitramfsInputs {
  /** The agent's static binary. */
  readonly agent: string;
  /** Module files (`.ko`), in the order of insertion. */
  readonly modules: readonly string[];
}

const LAYOUT = "1";

/** Names of files by where their inputs are, which lie in folders named by their content: they need not be read at each start. */
const made = new Map<string, string>();

/**
 * The initramfs of an agent and a kernel, made when it is not in the cache yet.
 * @returns its path, `<cache>/initramfs/<digest of the inputs>.cpio`
 */
export async function ensureInitramfs(paths: Paths, inputs: InitramfsInputs): Promise<string> {
  const folder = await privateDirectory(join(paths.cache, "initramfs"));
  const sources = [inputs.agent, ...inputs.modules].join("\0");
  const known = made.get(sources);
  if (known && (await exists(join(folder, known)))) return join(folder, known);
  const agent = await readFile(inputs.agent);
  const modules = await Promise.all(
    inputs.modules.map(async (file) => ({ name: basename(file), content: await readFile(file) })),
  );
  const digest = hashParts([
    ["layout", LAYOUT],
    ["agent", agent],
    ...modules.map(({ name, content }) => [name, content] as const),
  ]);
  const name = `${digest}.cpio`;
  const target = join(folder, name);
  if (!(await exists(target))) {
    await publishFile(target, (temporary) =>
      writeFile(temporary, initramfsArchive(agent, modules), { mode: 0o600, flag: "wx" }),
    );
  }
  made.set(sources, name);
  return target;
}

/** The archive itself. Pure. */
export function initramfsArchive(
  agent: Uint8Array,
  modules: readonly { readonly name: string; readonly content: Uint8Array }[],
): Buffer {
  const folders = ["dev", "proc", "sys", "modules", "base", "state", "newroot"];
  const list = modules.map(({ name }) => `/modules/${name}\n`).join("");
  return cpioArchive([
    ...folders.map((path): CpioEntry => ({ type: "directory", path })),
    // Without it the kernel starts init with no standard output, and early failures would be silent.
    { type: "character", path: "dev/console", major: 5, minor: 1 },
    { type: "file", path: "init", mode: 0o755, content: agent },
    { type: "file", path: "modules.list", content: Buffer.from(list) },
    ...modules.map(({ name, content }): CpioEntry => ({ type: "file", path: `modules/${name}`, content })),
  ]);
}
