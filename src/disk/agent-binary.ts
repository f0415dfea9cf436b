/** The guest agent's static binary, compiled from `guest/` on this host and kept by the digest of its sources. */
import { chmod, copyFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { exists, privateDirectory, publishFile } from "../host/files.ts";
import { hashParts } from "../host/hash.ts";
import type { Paths } from "../host/paths.ts";
import { ProcessError, run } from "../host/run.ts";
import { SharedWork } from "../host/shared-work.ts";
import { requireTools } from "../host/tools.ts";

/** Beside `src/` in the repository and beside `dist/` in the published package. */
const PACKAGE = join(import.meta.dirname, "../..");
const OWN = join(PACKAGE, "guest");
const builds = new SharedWork<string>();

/**
 * The agent's binary, compiled when its sources are new.
 * @returns its path, `<cache>/agent/<digest of the sources>/banger-agent`
 * @throws agent_build_failed | host_packages_missing
 */
export async function ensureAgentBinary(
  paths: Pick<Paths, "cache">,
  work: Work,
  guest: string = OWN,
): Promise<string> {
  const digest = await (guest === OWN ? ownDigest() : sourcesDigest(guest));
  const folder = join(paths.cache, "agent", digest);
  const binary = join(folder, "banger-agent");
  if (await exists(binary)) return binary;
  return builds.run(binary, work, async (shared) => {
    await requireTools("agent");
    shared.report.stage("compiling the guest agent");
    await privateDirectory(folder);
    await publishFile(binary, (temporary) => build(guest, temporary, shared.signal));
    return binary;
  });
}

let own: Promise<string> | undefined;

/** Read once: a program's agent is the one of its start, as all of its sources are, and there are a hundred files to read. */
function ownDigest(): Promise<string> {
  own ??= sourcesDigest(OWN).catch((error: unknown) => {
    own = undefined;
    throw error;
  });
  return own;
}

async function sourcesDigest(guest: string): Promise<string> {
  const names = (await readdir(guest)).filter((name) => /\.[ch]$|^Makefile$/.test(name)).sort();
  // The version is compiled in.
  const { version } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8")) as {
    version: string;
  };
  const contents = names.map(async (name) => [name, await readFile(join(guest, name))] as const);
  return hashParts([["version", version], ...(await Promise.all(contents))]);
}

async function build(guest: string, target: string, signal: AbortSignal): Promise<void> {
  // make cannot work with spaces in paths, and the cache folder may have some.
  const scratch = await mkdtemp(join(tmpdir(), "banger-agent-"));
  try {
    await run("make", ["-s", "-j2", "-C", guest, `O=${scratch}`], { signal });
    await copyFile(join(scratch, "banger-agent"), target);
    await chmod(target, 0o755);
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ProcessError)) throw error;
    throw BangerError.of("agent_build_failed", { reason: buildReason(error) }, { cause: error });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** The compiler's first complaint says more than make's last line. */
function buildReason(error: ProcessError): string {
  return /^.*\berror\b.*$/im.exec(error.stderr)?.[0].trim() ?? error.lastLine;
}
