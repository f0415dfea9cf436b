/** Which packages bring the missing tools, and the commands that install them. */
import { readFile } from "node:fs/promises";
import { BangerError } from "../core/errors.ts";
import { ProcessError, runOnTerminal } from "./run.ts";

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
  mke2fs: { apt: ["e2fsprogs"], dnf: ["e2fsprogs"], pacman: ["e2fsprogs"] },
  debugfs: { apt: ["e2fsprogs"], dnf: ["e2fsprogs"], pacman: ["e2fsprogs"] },
  cp: { apt: ["coreutils"], dnf: ["coreutils"], pacman: ["coreutils"] },
  "apt-get": { apt: ["apt"], dnf: ["apt"], pacman: [] },
  "apt-cache": { apt: ["apt"], dnf: ["apt"], pacman: [] },
  "dpkg-deb": { apt: ["dpkg"], dnf: ["dpkg"], pacman: ["dpkg"] },
  depmod: { apt: ["kmod"], dnf: ["kmod"], pacman: ["kmod"] },
  mksquashfs: { apt: ["squashfs-tools"], dnf: ["squashfs-tools"], pacman: ["squashfs-tools"] },
  sqfstar: { apt: ["squashfs-tools"], dnf: ["squashfs-tools"], pacman: ["squashfs-tools"] },
  mmdebstrap: {
    apt: ["mmdebstrap", "debian-archive-keyring"],
    dnf: ["mmdebstrap", "debian-keyring"],
    pacman: [],
  },
  newuidmap: { apt: ["uidmap"], dnf: ["shadow-utils"], pacman: ["shadow"] },
  gcc: { apt: ["gcc", "libc6-dev"], dnf: ["gcc", "glibc-static"], pacman: ["gcc"] },
  make: { apt: ["make"], dnf: ["make"], pacman: ["make"] },
  ssh: { apt: ["openssh-client"], dnf: ["openssh-clients"], pacman: ["openssh"] },
};

/** Packages that bring the tools, each once, in a stable order. Unknown tools are taken as package names. */
export function packagesFor(tools: readonly string[], manager: PackageManager = "apt"): string[] {
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

export interface InstallPlan {
  readonly packages: readonly string[];
  /** Commands to run in order, each an argument vector. Empty when banger cannot install here. */
  readonly commands: readonly (readonly string[])[];
  /** For people: the line to type when there are no commands, or what cannot be installed at all. */
  readonly hint: string | null;
}

/** The commands that install what the tools need: directly as root, otherwise through sudo. Pure. */
export function installPlan(
  tools: readonly string[],
  host: { readonly manager: PackageManager; readonly uid: number },
): InstallPlan {
  const packages = packagesFor(tools, host.manager);
  if (tools.length === 0) return { packages, commands: [], hint: null };
  if (host.manager !== "apt") return { packages, commands: [], hint: manualHint(tools, packages, host) };
  const prefix = host.uid === 0 ? [] : ["sudo"];
  // sudo drops the environment, so the setting travels as an argument.
  const environment = ["env", "DEBIAN_FRONTEND=noninteractive"];
  return {
    packages,
    commands: [
      [...prefix, ...environment, "apt-get", "update"],
      [...prefix, ...environment, "apt-get", "install", "-y", "--no-install-recommends", ...packages],
    ],
    hint: null,
  };
}

/** What to type on hosts where banger does not install by itself. */
function manualHint(
  tools: readonly string[],
  packages: readonly string[],
  host: { readonly manager: PackageManager; readonly uid: number },
): string {
  const sudo = host.uid === 0 ? "" : "sudo ";
  const impossible = tools.filter((tool) => packagesFor([tool], host.manager).length === 0);
  const lines = {
    apt: "",
    dnf: `${sudo}dnf install ${packages.join(" ")}`,
    pacman: `${sudo}pacman -S ${packages.join(" ")}`,
    unknown: `install with this host's package manager: ${packages.join(" ")}`,
  };
  const line = packages.length > 0 ? lines[host.manager] : "";
  const rest =
    impossible.length > 0
      ? `not packaged here: ${impossible.join(", ")} (a Debian or Ubuntu host has them)`
      : "";
  return [line, rest].filter(Boolean).join("; ");
}

/**
 * Runs an installation plan on this terminal, with live output. The caller has asked the user.
 * @throws host_packages_missing naming the packages when a command fails or nothing can be run
 */
export async function runInstallPlan(plan: InstallPlan, tools: readonly string[]): Promise<void> {
  const details = { tools, packages: plan.packages, ...(plan.hint ? { fix: plan.hint } : {}) };
  const failed = (reason: string) =>
    BangerError.of(
      "host_packages_missing",
      { tools: `${tools.join(", ")} (${reason})`, packages: plan.packages.join(", ") },
      { details },
    );
  if (plan.commands.length === 0 && tools.length > 0) throw failed(plan.hint ?? "cannot be installed here");
  for (const [program, ...args] of plan.commands) {
    if (program === undefined) continue;
    const line = [program, ...args].join(" ");
    const code = await runOnTerminal(program, args).catch((error: unknown) => {
      throw failed(error instanceof ProcessError ? error.message : String(error));
    });
    // A source of the user's that cannot be refreshed must not stop the installation from the others.
    if (code !== 0 && !args.includes("update")) throw failed(`'${line}' ended with code ${code}`);
  }
}
