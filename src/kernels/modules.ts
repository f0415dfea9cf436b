/** Which modules a guest needs before its root is mounted, and in which order they must be inserted. Pure. */

export interface WantedModule {
  readonly name: string;
  /** A kernel without it (neither module nor built in) cannot boot a VM of ours. */
  readonly required: boolean;
}

const need = (name: string): WantedModule => ({ name, required: true });
const like = (name: string): WantedModule => ({ name, required: false });

/**
 * What is inserted before init. virtio_ring comes first: its initialisation must precede every virtio bus. All devices
 * of ours are on the MMIO bus; virtio_pci would cost every start under software emulation 80 ms.
 */
export const BOOT_MODULES: readonly WantedModule[] = [
  like("virtio_ring"),
  need("virtio"),
  need("virtio_mmio"),
  need("virtio_blk"),
  need("virtio_console"),
  need("squashfs"),
  need("ext4"),
  need("overlay"),
  like("virtio_rng"),
  like("virtio_net"),
  like("vsock"),
  like("vmw_vsock_virtio_transport"),
];

/** modules.dep: module file → files it needs, relative to the modules folder. The last one has to be inserted first. */
export function parseModulesDep(text: string): Map<string, string[]> {
  const needs = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const files = line
      .slice(colon + 1)
      .split(/\s+/)
      .filter(Boolean);
    needs.set(line.slice(0, colon), files);
  }
  return needs;
}

/** `kernel/drivers/virtio/virtio-ring.ko.xz` → `virtio_ring` */
export function moduleName(file: string): string {
  return (file.split("/").at(-1) ?? file).replace(/\.ko(\.\w+)?$/, "").replaceAll("-", "_");
}

/**
 * Files to insert, in order, each once, dependencies first.
 * @param builtin text of modules.builtin: these need no file
 * @returns the files, and the names of required modules that the kernel lacks
 */
export function insertionOrder(
  dep: string,
  builtin: string,
  wanted: readonly WantedModule[] = BOOT_MODULES,
): { readonly files: readonly string[]; readonly lacking: readonly string[] } {
  const needs = parseModulesDep(dep);
  const byName = new Map([...needs.keys()].map((file) => [moduleName(file), file]));
  const compiledIn = new Set(builtin.split("\n").filter(Boolean).map(moduleName));
  const ordered = new Set<string>();
  const lacking: string[] = [];
  for (const { name, required } of wanted) {
    const file = byName.get(name);
    if (file === undefined) {
      if (required && !compiledIn.has(name)) lacking.push(name);
      continue;
    }
    for (const dependency of [...(needs.get(file) ?? [])].reverse()) ordered.add(dependency);
    ordered.add(file);
  }
  return { files: [...ordered], lacking };
}
