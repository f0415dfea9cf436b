/** Which packages bring the tools, by distribution. */
import { readFile } from "node:fs/promises";

export type PackageManager = "apt" | "dnf" | "pacman" | "unknown";

type Names = Readonly<Record<Exclude<PackageManager, "unknown">, readonly string[]>>;

/** Tool → packages. An empty list means that the tool cannot be had from that distribution. */
const PACKAGES: Readonly<Record<string, Names>> = {
  "qemu-system-x86_64": {
    apt: ["qemu-system-x86"],
    dnf: ["qemu-system-x86-core"],
    pacman: ["qemu-system-x86"],
  },
  bwrap: { apt: ["bubblewrap"], dnf: ["bubblewrap"], pacman: ["bubblewrap"] },
  passt: { apt: ["passt"], dnf: ["passt"], pacman: ["passt"] },
  mke2fs: { apt: ["e2fsprogs"], dnf: ["e2fsprogs"], pacman: ["e2fsprogs"] },
  debugfs: { apt: ["e2fsprogs"], dnf: ["e2fsprogs"], pacman: ["e2fsprogs"] },
  cp: { apt: ["coreutils"], dnf: ["coreutils"], pacman: ["coreutils"] },
  "apt-get": { apt: ["apt"], dnf: ["apt"], pacman: [] },
  "apt-cache": { apt: ["apt"], dnf: ["apt"], pacman: [] },
  "dpkg-deb": { apt: ["dpkg"], dnf: ["dpkg"], pacman: ["dpkg"] },
  depmod: { apt: ["kmod"], dnf: ["kmod"], pacman: ["kmod"] },
  mksquashfs: { apt: ["squashfs-tools"], dnf: ["squashfs-tools"], pacman: ["squashfs-tools"] },
  sqfstar: { apt: ["squashfs-tools"], dnf: ["squashfs-tools"], pacman: ["squashfs-tools"] },
  sqfs2tar: { apt: ["squashfs-tools-ng"], dnf: ["squashfs-tools-ng"], pacman: ["squashfs-tools-ng"] },
  mmdebstrap: {
    apt: ["mmdebstrap", "debian-archive-keyring"],
    dnf: ["mmdebstrap", "debian-keyring"],
    pacman: [],
  },
  npm: { apt: ["npm"], dnf: ["nodejs-npm"], pacman: ["npm"] },
  newuidmap: { apt: ["uidmap"], dnf: ["shadow-utils"], pacman: ["shadow"] },
  gcc: { apt: ["gcc", "libc6-dev"], dnf: ["gcc", "glibc-static"], pacman: ["gcc"] },
  "libc.a": { apt: ["libc6-dev"], dnf: ["glibc-static"], pacman: ["glibc"] },
  git: { apt: ["git"], dnf: ["git"], pacman: ["git"] },
  make: { apt: ["make"], dnf: ["make"], pacman: ["make"] },
  "ssh-keygen": { apt: ["openssh-client"], dnf: ["openssh"], pacman: ["openssh"] },
  ssh: { apt: ["openssh-client"], dnf: ["openssh-clients"], pacman: ["openssh"] },
};

/** Packages that bring the tools, each once, in a stable order. Unknown tools are taken as package names. */
export function packagesFor(tools: readonly string[], manager: PackageManager): string[] {
  const lists = tools.map((tool) => (manager === "unknown" ? [tool] : (PACKAGES[tool]?.[manager] ?? [tool])));
  return [...new Set(lists.flat())].sort();
}

/** The package manager of the host, from os-release's ID and ID_LIKE. */
export function packageManagerOf(osRelease: string): PackageManager {
  const ids = [...osRelease.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].flatMap((m) =>
    (m[1] ?? "").split(" "),
  );
  if (ids.some((id) => id === "debian" || id === "ubuntu")) return "apt";
  if (ids.some((id) => id === "fedora" || id === "rhel" || id === "centos")) return "dnf";
  if (ids.includes("arch")) return "pacman";
  return "unknown";
}

/** Reads /etc/os-release; "unknown" when it is not there. */
export async function hostPackageManager(): Promise<PackageManager> {
  return packageManagerOf(await readFile("/etc/os-release", "utf8").catch(() => ""));
}
