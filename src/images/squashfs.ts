/** Turns a tar archive into a read-only root filesystem, as an ordinary user. */
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { fullDisk } from "../disk/free-space.ts";
import { userNamespaces } from "../host/namespaces.ts";
import { ProcessError, runFed } from "../host/run.ts";
import { findTool } from "../host/tools.ts";

/** The file of an image that VMs boot from. */
export const ROOTFS = "rootfs.squashfs";

/** How this user gets what looks like root: being it, a user namespace, or a preloaded library. */
export type Mode = "root" | "unshare" | "fakechroot";

/** How this user can build images, or why that cannot be. */
export async function chooseMode(): Promise<Mode | { readonly reason: string; readonly fix: string }> {
  if (process.getuid?.() === 0) return "root";
  const namespaces = await userNamespaces();
  if (namespaces.usable) return "unshare";
  const [fakechroot, fakeroot] = await Promise.all([findTool("fakechroot"), findTool("fakeroot")]);
  return fakechroot && fakeroot ? "fakechroot" : namespaces;
}

/**
 * The command that turns the tar on its standard input into a squashfs. Owners come from the tar, except that of the
 * root folder, which sqfstar always makes the caller's (4.5 ignores -root-uid): so the caller must look like root.
 */
export function sqfstarCommand(mode: Mode, target: string, rootMode = 0o755): [string, string[]] {
  const permissions = rootMode.toString(8).padStart(4, "0");
  // The same files give the same image: no time of ours is in it, the root's included (see `forgetRootTime`).
  const times = ["-mkfs-time", "0", "-noI"];
  // Left alone, it takes a quarter of the host's memory for its queues.
  const args = [
    "-comp",
    "lz4",
    "-no-progress",
    "-quiet",
    "-mem",
    "64M",
    ...times,
    "-root-mode",
    permissions,
    target,
  ];
  if (mode === "root") return ["sqfstar", args];
  return mode === "unshare"
    ? ["unshare", ["--user", "--map-root-user", "sqfstar", ...args]]
    : ["fakeroot", ["sqfstar", ...args]];
}

/** Of the superblock and of inodes (the kernel's fs/squashfs/squashfs_fs.h). */
const ROOT_INODE_AT = 32;
const INODE_TABLE_AT = 64;
const MTIME_IN_INODE = 8;
const METADATA_BLOCK = 8192;

/**
 * Sets the time of a squashfs's root folder to 0. sqfstar always makes it the present (4.5 ignores -root-time), and inodes that
 * are not compressed can be written to.
 * @throws Error when the file is not what `sqfstarCommand` makes
 */
export async function forgetRootTime(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    const at = async (position: number, length: number) =>
      (await file.read(Buffer.alloc(length), 0, length, position)).buffer;
    const superblock = await at(0, 96);
    const reference = superblock.readBigUInt64LE(ROOT_INODE_AT);
    const block = Number(superblock.readBigUInt64LE(INODE_TABLE_AT) + (reference >> 16n));
    const inode = Number(reference & 0xffffn);
    // A block begins with its length; the highest bit says that it is not compressed.
    const plain = ((await at(block, 2)).readUInt16LE() & 0x8000) !== 0;
    if (superblock.toString("latin1", 0, 4) !== "hsqs" || !plain)
      throw new Error("not an image of sqfstar -noI");
    for (let byte = 0; byte < 4; byte++) {
      const position = inode + MTIME_IN_INODE + byte;
      const headers = 2 * (1 + Math.floor(position / METADATA_BLOCK));
      await file.write(Buffer.alloc(1), 0, 1, block + headers + position);
    }
  } finally {
    await file.close();
  }
}

/**
 * Writes the squashfs `target` from a tar archive of our own making.
 * @throws no_space | ProcessError, and what `tar` throws
 */
export async function writeSquashfs(
  tar: AsyncIterable<Buffer>,
  target: string,
  options: { readonly mode: Mode; readonly rootMode: number; readonly signal: AbortSignal },
): Promise<void> {
  const [program, args] = sqfstarCommand(options.mode, target, options.rootMode);
  try {
    await runFed(program, args, tar, { signal: options.signal, cwd: "/" });
    await forgetRootTime(target);
  } catch (error) {
    if (!(error instanceof ProcessError) || !/No space left/.test(error.stderr)) throw error;
    throw await fullDisk(dirname(target), "the image", error);
  }
}
