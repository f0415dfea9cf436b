/** Installs the packages that bring missing tools, through the host's package manager. */
import { BangerError } from "../core/errors.ts";
import { hostPackageManager, type PackageManager, packagesFor } from "./packages.ts";
import { ProcessError, runOnTerminal } from "./run.ts";
import { findTool } from "./tools.ts";

/** What an installation depends on. */
export interface InstallHost {
  readonly manager: PackageManager;
  readonly uid: number;
  /** Whether sudo is there; root does not need it. */
  readonly sudo: boolean;
}

export interface InstallPlan {
  readonly packages: readonly string[];
  /** Commands to run in order, each an argument vector. Empty when banger cannot install here. */
  readonly commands: readonly (readonly string[])[];
  /** For people: what to type when there are no commands, or what cannot be installed at all. */
  readonly hint: string | null;
}

/** The plan for this host and this user. */
export async function hostInstallPlan(tools: readonly string[]): Promise<InstallPlan> {
  const [manager, sudo] = await Promise.all([hostPackageManager(), findTool("sudo")]);
  return installPlan(tools, { manager, uid: process.getuid?.() ?? 0, sudo: sudo !== null });
}

/** The commands that install what the tools need: directly as root, otherwise through sudo. Pure. */
export function installPlan(tools: readonly string[], host: InstallHost): InstallPlan {
  const packages = packagesFor(tools, host.manager);
  if (tools.length === 0) return { packages, commands: [], hint: null };
  const root = host.uid === 0;
  if (host.manager !== "apt" || !(root || host.sudo)) {
    return { packages, commands: [], hint: manualHint(tools, packages, host) };
  }
  const prefix = root ? [] : ["sudo"];
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
function manualHint(tools: readonly string[], packages: readonly string[], host: InstallHost): string {
  const impossible = tools.filter((tool) => packagesFor([tool], host.manager).length === 0);
  const names = packages.join(" ");
  const line = {
    apt: `apt-get install --no-install-recommends ${names}`,
    dnf: `dnf install ${names}`,
    pacman: `pacman -S ${names}`,
    unknown: `install with this host's package manager: ${names}`,
  }[host.manager];
  const who =
    host.uid === 0 || host.manager === "unknown" ? "" : host.sudo ? "sudo " : "as root (sudo is missing): ";
  return [
    packages.length > 0 && `${who}${line}`,
    impossible.length > 0 && `not packaged here: ${impossible.join(", ")} (a Debian or Ubuntu host has them)`,
  ]
    .filter(Boolean)
    .join("; ");
}

/** How one command of a plan ended: its exit code. */
export type RunCommand = (program: string, args: readonly string[]) => Promise<number>;

/**
 * Runs an installation plan on this terminal, with live output. The caller has asked the user.
 * @throws installation_failed naming the command and what to do
 */
export async function runInstallPlan(
  plan: InstallPlan,
  runCommand: RunCommand = runOnTerminal,
): Promise<void> {
  for (const [program = "", ...args] of plan.commands) {
    const line = [program, ...args].join(" ");
    const failed = (reason: string, cause?: unknown) =>
      BangerError.of("installation_failed", { packages: plan.packages.join(" "), reason, line }, { cause });
    const code = await runCommand(program, args).catch((error: unknown) => {
      if (!(error instanceof ProcessError)) throw error;
      throw failed(error.message, error);
    });
    // A source of the user's that cannot be refreshed must not stop the installation from the others.
    if (code !== 0 && !args.includes("update")) throw failed(`the package manager ended with code ${code}`);
  }
}
