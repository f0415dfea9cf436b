/**
 * The host's apt, used without root: looking packages up and downloading them with the user's own sources and keyrings,
 * so that apt verifies what it gets. Nothing of the host's apt state is changed.
 */
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { ProcessError, run } from "./run.ts";

/** A way to call apt: options that say which package lists it uses. */
export interface Apt {
  readonly options: readonly string[];
}

/** What apt knows of a package. */
export interface PackageRecord {
  readonly name: string;
  readonly version: string;
  readonly depends: readonly string[];
}

const NEVER_UNSIGNED = [
  "-o",
  "APT::Get::AllowUnauthenticated=false",
  "-o",
  "Acquire::AllowInsecureRepositories=false",
  "-o",
  "Acquire::AllowDowngradeToInsecureRepositories=false",
];

/** Apt with the host's own package lists. */
export function hostApt(): Apt {
  return { options: [...NEVER_UNSIGNED, ...rootOptions()] };
}

/**
 * Apt with package lists of banger's own in `folder`, refreshed now from the user's sources.
 * A source that cannot be refreshed is no error here: what is missing then shows when it is asked for.
 * @returns the apt and what `apt-get update` complained about
 */
export async function refreshedApt(
  folder: string,
  signal: AbortSignal,
): Promise<Apt & { complaint: string }> {
  for (const name of ["state/lists/partial", "cache/archives/partial"]) {
    await mkdir(join(folder, name), { recursive: true, mode: 0o700 });
  }
  const options = [
    ...hostApt().options,
    "-o",
    `Dir::State=${join(folder, "state")}`,
    "-o",
    "Dir::State::status=/var/lib/dpkg/status",
    "-o",
    `Dir::Cache=${join(folder, "cache")}`,
    "-o",
    "Acquire::Languages=none",
  ];
  const complaint = await run("apt-get", [...options, "update"], { signal, env: aptEnvironment() }).then(
    () => "",
    (error: unknown) => {
      signal.throwIfAborted();
      if (!(error instanceof ProcessError)) throw error;
      return firstError(error);
    },
  );
  return { options, complaint };
}

/** The newest record of a package, or null when apt does not know it. @throws ProcessError when apt cannot run */
export async function showPackage(
  apt: Apt,
  name: string,
  signal: AbortSignal,
): Promise<PackageRecord | null> {
  const args = [...apt.options, "show", "--no-all-versions", name];
  const result = await run("apt-cache", args, { signal, env: aptEnvironment() }).catch((error: unknown) => {
    // apt-cache ends with 100 for a package it does not know.
    if (error instanceof ProcessError && error.code === 100) return null;
    throw error;
  });
  return result && parsePackage(result.stdout);
}

/** The first record of `apt-cache show` output. */
export function parsePackage(text: string): PackageRecord | null {
  const record = text.split(/\n\s*\n/)[0] ?? "";
  const field = (name: string) => new RegExp(`^${name}: *(.*)$`, "m").exec(record)?.[1] ?? "";
  const name = field("Package");
  const version = field("Version");
  if (!name || !version) return null;
  const depends = field("Depends")
    .split(",")
    .map((dependency) => dependency.trim().split(/[\s(|:]/)[0] ?? "")
    .filter(Boolean);
  return { name, version, depends };
}

/**
 * Downloads a package into an empty folder; apt verifies it against the signed lists.
 * @param onPercent called with 0–100
 * @returns path of the .deb; @throws ProcessError with apt's reason
 */
export async function downloadPackage(
  apt: Apt,
  spec: string,
  folder: string,
  signal: AbortSignal,
  onPercent: (percent: number) => void = () => {},
): Promise<string> {
  await run("apt-get", [...apt.options, "-o", "APT::Status-Fd=2", "download", spec], {
    cwd: folder,
    signal,
    env: aptEnvironment(),
    onStderrLine: (line) => {
      const percent = /^dlstatus:\d+:([\d.]+):/.exec(line)?.[1];
      if (percent) onPercent(Number(percent));
    },
  });
  const file = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  if (!file) throw new ProcessError("apt-get", "downloaded nothing", 0, "");
  return join(folder, file);
}

/** apt's own reason: its first `E:` line, else the last line it said. */
export function firstError(error: ProcessError): string {
  return /^E: (.*)$/m.exec(error.stderr)?.[1] ?? error.lastLine;
}

/** The proxy of the user's environment, which apt honours. In the environment, since arguments can be read by everyone. */
export function aptEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of ["http_proxy", "https_proxy", "no_proxy", "all_proxy"]) {
    const value = env[name] ?? env[name.toUpperCase()];
    if (value) kept[name] = value;
  }
  return kept;
}

/** As root apt would change to a user that cannot enter banger's private folders. */
function rootOptions(): string[] {
  return process.getuid?.() === 0 ? ["-o", "APT::Sandbox::User=root"] : [];
}
