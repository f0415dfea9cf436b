/**
 * The host's git, run so that nothing of a repository's or a user's configuration can start a program: no hooks, no filters,
 * no external diff, no pager, no fsmonitor, no transport, no credentials. Arguments are arrays, answers are bytes.
 */
import { BangerError } from "../core/errors.ts";
import { hostPackageManager, packagesFor } from "./packages.ts";
import { open, ProcessError, type RunningProgram } from "./run.ts";
import { findTool } from "./tools.ts";

/** `rev-parse --path-format` came with it. */
const OLDEST = [2, 31] as const;
const DEFAULT_LIMIT = 256 * 1024 * 1024;

/** Settings of the command line outrank every file. */
const SAFE = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.untrackedCache=false",
  "core.attributesFile=/dev/null",
  "core.pager=cat",
  "core.sshCommand=false",
  "core.askPass=false",
  "credential.helper=",
  "diff.external=",
  "protocol.allow=never",
  "gc.auto=0",
  "maintenance.auto=false",
  "commit.gpgSign=false",
  "submodule.recurse=false",
  "pack.writeReverseIndex=false",
].flatMap((setting) => ["-c", setting]);

const ENVIRONMENT = {
  LC_ALL: "C",
  GIT_TERMINAL_PROMPT: "0",
  GIT_OPTIONAL_LOCKS: "0",
  GIT_NO_REPLACE_OBJECTS: "1",
  GIT_NO_LAZY_FETCH: "1",
  GIT_ATTR_NOSYSTEM: "1",
  GIT_LITERAL_PATHSPECS: "1",
};

/** Leaves out the user's and the machine's configuration, too: for work in repositories of banger's own. */
export const OWN_CONFIGURATION = { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" };

export interface GitOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  readonly signal?: AbortSignal | undefined;
  readonly input?: string | Buffer | undefined;
  /** Exit codes besides 0 that are answers and no failures. */
  readonly accept?: readonly number[];
  /** Largest answer in bytes. */
  readonly limit?: number;
  /** Further settings, `name=value`. */
  readonly settings?: readonly string[];
}

export interface GitAnswer {
  readonly code: number;
  readonly stdout: Buffer;
}

/** Starts git; its streams are the caller's. */
export function openGit(args: readonly string[], options: GitOptions = {}): RunningProgram {
  const settings = (options.settings ?? []).flatMap((setting) => ["-c", setting]);
  return open("git", [...SAFE, ...settings, ...args], {
    env: { ...ENVIRONMENT, ...options.env },
    ...(options.cwd !== undefined && { cwd: options.cwd }),
    ...(options.signal && { signal: options.signal }),
  });
}

/** Runs git to its end. @throws git_failed with git's own words; the signal's reason */
export async function git(args: readonly string[], options: GitOptions = {}): Promise<GitAnswer> {
  options.signal?.throwIfAborted();
  const running = openGit(args, options);
  running.stdin.end(options.input ?? "");
  const limit = options.limit ?? DEFAULT_LIMIT;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of running.stdout as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) {
      running.stdout.destroy();
      throw gitFailed(args, `it answered with more than ${limit} bytes`);
    }
    chunks.push(chunk);
  }
  const code = await running.ended.then(
    () => 0,
    (error: unknown) => {
      options.signal?.throwIfAborted();
      if (error instanceof ProcessError && error.code !== null && options.accept?.includes(error.code))
        return error.code;
      throw explainGit(args, error);
    },
  );
  return { code, stdout: Buffer.concat(chunks, size) };
}

/** A failure of git as an error of the catalogue, with its first words on stderr. */
export function explainGit(args: readonly string[], error: unknown): unknown {
  if (!(error instanceof ProcessError)) return error;
  const line = error.stderr.split("\n").find((text) => /^(fatal|error):/.test(text));
  return gitFailed(args, line?.replace(/^(fatal|error): /, "") ?? error.lastLine, error);
}

function gitFailed(args: readonly string[], reason: string, cause?: unknown): BangerError {
  const command = args.find((word) => !word.startsWith("-")) ?? "";
  return BangerError.of("git_failed", { command, reason }, { cause });
}

let checked: Promise<void> | undefined;

/** Passes when there is a git that is new enough. @throws host_packages_missing | git_failed */
export function requireGit(): Promise<void> {
  checked ??= checkGit().catch((error: unknown) => {
    checked = undefined;
    throw error;
  });
  return checked;
}

async function checkGit(): Promise<void> {
  if (!(await findTool("git"))) {
    const packages = packagesFor(["git"], await hostPackageManager());
    throw BangerError.of(
      "host_packages_missing",
      { tools: "git", packages: packages.join(", ") },
      { details: { tools: ["git"], packages } },
    );
  }
  const { stdout } = await git(["version"]);
  const version = stdout.toString("utf8").trim();
  if (!isNewEnough(version)) {
    throw BangerError.of("git_failed", {
      command: "version",
      reason: `${version} is too old; workspaces need ${OLDEST.join(".")} or newer`,
    });
  }
}

/** Pure. */
export function isNewEnough(version: string): boolean {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  const [oldMajor, oldMinor] = OLDEST;
  return Number(major) > oldMajor || (Number(major) === oldMajor && Number(minor) >= oldMinor);
}
