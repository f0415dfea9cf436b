/** Starts the daemon as a process of its own and learns from a pipe, not by polling, when it serves. */
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { extname } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { asBangerError, BangerError, type ErrorBody } from "../core/errors.ts";
import { privateDirectory } from "./files.ts";
import { DAEMON_OPTIONS } from "./node-options.ts";
import { daemonLog, type Paths } from "./paths.ts";
import { startDetached } from "./run.ts";

/** Number of the descriptor on which the daemon tells how its start went, in its environment. */
export const READY_FD_VARIABLE = "BANGER_READY_FD";
const READY_FD = 3;
const START_LIMIT_MS = 60_000;
const MAX_ANSWER = 64 * 1024;

export interface DaemonStart {
  /** The daemon's entry; by default the one of this program. */
  readonly entry?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * Starts the daemon and waits until its socket accepts connections.
 * @returns `exists` when another daemon of this user was there first
 * @throws what the daemon failed with, or daemon_start_failed with the last lines of its log
 */
export async function startDaemon(paths: Paths, options: DaemonStart = {}): Promise<"ready" | "exists"> {
  await privateDirectory(paths.state);
  const log = openSync(
    daemonLog(paths),
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const child = await startDetached(process.execPath, [...DAEMON_OPTIONS, options.entry ?? daemonEntry()], {
      cwd: "/",
      env: daemonEnvironment(options.env),
      stdio: ["ignore", log, log, "pipe"],
    });
    return await readAnswer(child.stdio[READY_FD] as Readable, paths);
  } catch (error) {
    if (error instanceof BangerError) throw error;
    throw startFailed(asBangerError(error).message, paths, error);
  } finally {
    closeSync(log);
  }
}

function daemonEntry(): string {
  const extension = extname(fileURLToPath(import.meta.url)); // .ts from sources, .js when built
  return fileURLToPath(new URL(`../daemon/main${extension}`, import.meta.url));
}

const KEPT =
  /^(PATH|HOME|USER|LOGNAME|LANG|TZ|TMPDIR|CI|XDG_\w+|(https?|no|all)_proxy|BANGER_\w+|NODE_COMPILE_CACHE|NODE_EXTRA_CA_CERTS|npm_config_(userconfig|globalconfig|registry|cafile)|DOCKER_CONFIG|REGISTRY_AUTH_FILE|GNUPGHOME|DBUS_SESSION_BUS_ADDRESS)$/i;

/** The daemon outlives the terminal that happened to start it: it gets where things are, not that terminal's secrets. */
function daemonEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept: Record<string, string> = {
    [READY_FD_VARIABLE]: String(READY_FD),
    // Buffers of 64 KiB then come from the system one by one and go back when they are freed: after 200 MB of output the
    // daemon is 13 MB larger instead of 50 (glibc, mallopt(3)).
    MALLOC_MMAP_THRESHOLD_: "32768",
  };
  for (const [name, value] of Object.entries(env))
    if (value !== undefined && KEPT.test(name)) kept[name] ??= value;
  return kept;
}

async function readAnswer(pipe: Readable, paths: Paths): Promise<"ready" | "exists"> {
  let answer = "";
  const limit = setTimeout(
    () => pipe.destroy(new Error(`no answer within ${START_LIMIT_MS / 1000} s`)),
    START_LIMIT_MS,
  );
  try {
    for await (const chunk of pipe.setEncoding("utf8")) {
      answer += chunk;
      if (answer.includes("\n") || answer.length > MAX_ANSWER) break;
    }
  } finally {
    clearTimeout(limit);
    pipe.destroy();
  }
  const [line = ""] = answer.split("\n");
  if (line === "ready" || line === "exists") return line;
  if (line.startsWith("failed ")) throw BangerError.fromBody(JSON.parse(line.slice(7)) as ErrorBody);
  throw startFailed("it ended at once", paths);
}

function startFailed(reason: string, paths: Paths, cause?: unknown): BangerError {
  const log = daemonLog(paths);
  const last = lastLines(log, 3);
  return BangerError.of(
    "daemon_start_failed",
    { reason, hint: last ? `the end of ${log}:\n${last}` : `see ${log}` },
    { cause },
  );
}

function lastLines(file: string, count: number): string {
  try {
    return readFileSync(file, "utf8").trimEnd().split("\n").slice(-count).join("\n").slice(-2000);
  } catch {
    return "";
  }
}
