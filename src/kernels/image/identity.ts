/** What an uncompressed kernel tells about itself in its data: release and configuration. Pure; it may be anybody's file. */
import { gunzipSync } from "node:zlib";

const BANNER = "Linux version ";
/** A kernel has a few: formats to print it with come before it. */
const MAX_BANNERS = 64;

/** The release in the kernel's banner, as `uname -r` tells it; null when it has none. */
export function releaseOf(kernel: Buffer): string | null {
  let at = kernel.indexOf(BANNER);
  for (let seen = 0; at >= 0 && seen < MAX_BANNERS; seen++) {
    const text = kernel.toString("latin1", at + BANNER.length, at + BANNER.length + 130);
    const release = /^(\d[\w.+~-]{0,127}) /.exec(text)?.[1];
    if (release !== undefined) return release;
    at = kernel.indexOf(BANNER, at + BANNER.length);
  }
  return null;
}

/** The kernel's own is 250 kB. */
export const MAX_CONFIG = 4 * 1024 * 1024;
/** Around the compressed configuration (kernel/configs.c). */
const MARKS = { start: "IKCFG_ST", end: "IKCFG_ED" };

/** The configuration that a kernel with CONFIG_IKCONFIG carries; null when it carries none that can be read. */
export function configOf(kernel: Buffer): string | null {
  const start = kernel.indexOf(MARKS.start);
  const end = start < 0 ? -1 : kernel.indexOf(MARKS.end, start);
  if (end < 0) return null;
  try {
    const packed = kernel.subarray(start + MARKS.start.length, end);
    return gunzipSync(packed, { maxOutputLength: MAX_CONFIG }).toString("latin1");
  } catch {
    return null;
  }
}

/** Options without which no VM of ours comes up: the initramfs runs, finds its disks, mounts them, and talks to the host. */
const NEEDED = [
  ...["BLK_DEV_INITRD", "BINFMT_ELF", "DEVTMPFS", "TMPFS", "PROC_FS", "SYSFS", "UNIX"],
  ...["VIRTIO_MMIO", "VIRTIO_BLK", "VIRTIO_CONSOLE"],
  ...["SQUASHFS", "SQUASHFS_LZ4", "EXT4_FS", "OVERLAY_FS"],
];

/** @param modules whether its modules are there, too; @returns the options that are needed and not set, as `CONFIG_…` */
export function lackingOptions(config: string, modules: boolean): string[] {
  const set = new Map(
    [...config.matchAll(/^CONFIG_(\w+)=([ym])$/gm)].map(([, name = "", value]) => [name, value] as const),
  );
  const holds = (name: string) => set.get(name) === "y" || (modules && set.get(name) === "m");
  return NEEDED.filter((name) => !holds(name)).map((name) => `CONFIG_${name}`);
}
