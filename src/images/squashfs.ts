/** Turns a tar archive into a read-only root filesystem, as an ordinary user. */
import { dirname } from "node:path";
import { BangerError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { freeSpace } from "../disk/free-space.ts";
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
  // The same files give the same image: no time of ours is in it.
  const times = ["-mkfs-time", "0", "-root-time", "0"];
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
  } catch (error) {
    if (!(error instanceof ProcessError) || !/No space left/.test(error.stderr)) throw error;
    const path = dirname(target);
    const available = formatSize(await freeSpace(path));
    const params = { what: "the image", needed: "more", available, path };
    throw BangerError.of("no_space", params, { cause: error });
  }
}
