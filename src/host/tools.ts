/** The programs (and one library) of the host that banger needs, where they are looked for, and what for. Looking starts no process. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, isAbsolute, join } from "node:path";
import { BangerError } from "../core/errors.ts";
import { exists } from "./files.ts";
import { hostPackageManager, packagesFor } from "./packages.ts";

/** What a tool is needed for. `boot` starts VMs, `kernel` and `image` obtain what they boot from, `agent` compiles the guest's agent, `workspace` copies repositories. */
export type Purpose =
  | "boot"
  | "disk"
  | "kernel"
  | "image"
  | "recipe"
  | "export"
  | "agent"
  | "workspace"
  | "nat";

export interface Tool {
  /** File name of the program or library. */
  readonly name: string;
  readonly library?: boolean;
  readonly purposes: readonly Purpose[];
  /** Without an optional tool something is slower, weaker or less convenient, but works. */
  readonly optional?: string;
  /** Only an ordinary user needs it. */
  readonly userOnly?: boolean;
}

export const TOOLS: readonly Tool[] = [
  { name: "qemu-system-x86_64", purposes: ["boot"] },
  { name: "bwrap", purposes: ["boot"], optional: "virtual machine monitors run unconfined without it" },
  { name: "passt", purposes: ["nat"], optional: "VMs have no outbound network (--nat) without it" },
  { name: "mke2fs", purposes: ["disk"] },
  { name: "debugfs", purposes: ["disk"] },
  { name: "cp", purposes: ["disk"] },
  { name: "apt-get", purposes: ["kernel", "image"] },
  { name: "apt-cache", purposes: ["kernel"] },
  { name: "dpkg-deb", purposes: ["kernel"] },
  { name: "depmod", purposes: ["kernel"] },
  { name: "mksquashfs", purposes: ["kernel"] },
  { name: "mmdebstrap", purposes: ["image"] },
  // sqfstar came with squashfs-tools 4.5, so its presence is the version check.
  { name: "sqfstar", purposes: ["image"] },
  { name: "npm", purposes: ["recipe"], optional: "the image debian-bookworm cannot be built without it" },
  { name: "sqfs2tar", purposes: ["export"], optional: "images cannot be exported without it" },
  { name: "newuidmap", purposes: ["image"], userOnly: true },
  { name: "gcc", purposes: ["agent"] },
  { name: "make", purposes: ["agent"] },
  // The agent is linked statically. A compiler may well be there without it: Debian's gcc only recommends libc6-dev.
  { name: "libc.a", purposes: ["agent"], library: true },
  { name: "git", purposes: ["workspace"], optional: "repositories cannot be copied into VMs without it" },
  { name: "ssh", purposes: ["boot"], optional: "plain ssh into VMs needs it; banger's own shell does not" },
  { name: "ssh-keygen", purposes: ["boot"], optional: "the key for ssh into VMs is made with it" },
];

/** Debian keeps mkfs and friends in sbin, which is not on an ordinary user's PATH. */
const SBIN = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** Absolute path of a program on PATH or in an sbin folder, or null. */
export async function findTool(
  name: string,
  path: string = process.env.PATH ?? "/usr/bin:/bin",
): Promise<string | null> {
  for (const folder of [...path.split(delimiter).filter(isAbsolute), ...SBIN]) {
    const file = join(folder, name);
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return null;
}

const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];

/** Where a tool is, or null when it is missing. */
export async function locateTool(tool: Tool): Promise<string | null> {
  if (!tool.library) return findTool(tool.name);
  for (const folder of LIBRARIES) {
    const file = join(folder, tool.name);
    if (await exists(file)) return file;
  }
  return null;
}

/**
 * Tools that are missing on this host for the purposes given (all of them when none is given).
 * Optional ones are left out unless `optional` is set.
 */
export async function missingTools(
  purposes: readonly Purpose[] = [],
  options: { readonly optional?: boolean; readonly uid?: number } = {},
): Promise<Tool[]> {
  const uid = options.uid ?? process.getuid?.() ?? 0;
  const asked = purposes.includes("nat"); // nothing else needs it, but this does
  const wanted = TOOLS.filter(
    (tool) =>
      (purposes.length === 0 || tool.purposes.some((p) => purposes.includes(p))) &&
      (options.optional || tool.optional === undefined || (asked && tool.purposes.includes("nat"))) &&
      !(tool.userOnly && uid === 0),
  );
  const found = await Promise.all(wanted.map(locateTool));
  return wanted.filter((_, index) => found[index] === null);
}

/** Passes when a tool is there that only some work needs. @throws host_packages_missing as `requireTools` */
export async function requireTool(name: string): Promise<void> {
  if (!(await findTool(name))) throw await missing([name]);
}

/** Passes when everything needed for `purposes` is there. @throws host_packages_missing with details `{tools, packages}` */
export async function requireTools(...purposes: Purpose[]): Promise<void> {
  const tools = (await missingTools(purposes)).map((tool) => tool.name);
  if (tools.length > 0) throw await missing(tools);
}

async function missing(tools: readonly string[]): Promise<BangerError> {
  const packages = packagesFor(tools, await hostPackageManager());
  return BangerError.of(
    "host_packages_missing",
    { tools: tools.join(", "), packages: packages.join(", ") },
    { details: { tools, packages } },
  );
}
