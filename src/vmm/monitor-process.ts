/** Starts a monitor's process in its jail and waits until it answers. What is the same for every driver. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { watch } from "node:fs";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { checkpoint } from "../core/checkpoints.ts";
import { type GroupLimits, usableGroups } from "../host/control-groups.ts";
import { endMarked } from "../host/marked-processes.ts";
import { startTime } from "../host/processes.ts";
import { childEnvironment, startDetached, workMark } from "../host/run.ts";
import { bubblewrap } from "./jail/bubblewrap.ts";
import type { Confinement, Jail } from "./jail/jail.ts";
import { leaveJail } from "./jail/jailer.ts";
import { endLimits, limited } from "./jail/limits.ts";

const ANSWER_MS = 20_000;
/** A socket is listened on a moment after it appears, nearly always within the first. */
const REFUSED_MS = [1, 2, 5] as const;
/** A monitor that dies while one talks to it breaks its connections first and is known to have ended a moment later. */
const DYING_MS = 500;
const LOG = "vmm.log";
/** What a Rust program says after its last word. */
const BACKTRACE_HINT = "note: run with `RUST_BACKTRACE";
/** LEND_DONE_FD of guest/lend.h. */
const PREPARED = 5;
/** LEND_FROM_FD. */
export const PASSED_ON = 6;
const IDLE = ["nice", "-n", "19"];
/** Says in a monitor's environment which VM's folder it was started for. Nobody but its starter can set it. */
const MARK = "BANGER_VM_FOLDER";

export interface MonitorCommand {
  /** For messages. */
  readonly title: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly confinement: Confinement;
  /** Without it bubblewrap's. */
  readonly jail?: Jail;
  readonly limits: GroupLimits;
  readonly preparation?: Preparation;
  /** It runs when nobody else wants the processor, and it is no VM: who finds it after a crash of the daemon ends it. */
  readonly background?: boolean;
  /** How long it may take to answer, in milliseconds; 20 s by default. */
  readonly patienceMs?: number;
  /** Where standard output goes; without it to the log. */
  readonly stdout?: number;
}

/** What runs the jail and makes what it passes on, also while the monitor starts. */
export interface Preparation {
  /** The beginning of the command line. It writes a byte to descriptor 5 when all is there. */
  readonly command: readonly string[];
  /** An open file that it gets as descriptor `PASSED_ON`. */
  readonly from?: number | undefined;
  /** Called when all is there. */
  readonly onDone?: (() => void) | undefined;
}

/** The outermost process, by identity. */
export interface MonitorProcess {
  readonly pid: number;
  readonly pidStart: string;
}

/**
 * Starts the monitor in `confinement.writable`, which is the VM's folder; what it says goes to `vmm.log` there.
 * @param connect called whenever something changes where its sockets appear, until it succeeds: a monitor makes its sockets while it starts.
 *   a socket that cannot be connected to means "not yet"
 * @throws Error with the monitor's own last words; the process is gone then
 */
export async function startMonitor<M>(
  command: MonitorCommand,
  connect: (process: MonitorProcess) => Promise<M>,
  signal: AbortSignal,
): Promise<M> {
  const { confinement, preparation, jail = bubblewrap } = command;
  const folder = confinement.writable;
  const [confined] = await Promise.all([
    jail.enter(confinement, command.program, command.args),
    usableGroups(),
  ]);
  const whole = [...(command.background ? IDLE : []), ...(preparation?.command ?? []), ...confined];
  const [program = "", ...args] = await limited(folder, command.limits, whole);
  const log = await open(join(folder, LOG), "w", 0o600);
  let child: ChildProcess & { readonly pid: number };
  try {
    const stdio = ["ignore", command.stdout ?? log.fd, log.fd] as const;
    child = await startDetached(program, args, {
      cwd: folder,
      env: childEnvironment({ [MARK]: folder, ...(command.background ? workMark() : {}) }),
      stdio: preparation ? [...stdio, ...passedOn(preparation)] : stdio,
    });
  } finally {
    await log.close();
  }
  checkpoint("start.spawned");
  const started = { pid: child.pid, pidStart: startTime(child.pid) ?? "" };
  try {
    const prepared = preparation && untilPrepared(child, preparation);
    prepared?.catch(() => {}); // told below, if the monitor answers at all
    const sockets = jail.inside(folder);
    const monitor = await untilAnswering(command, child, sockets, () => connect(started), signal);
    await prepared;
    return monitor;
  } catch (error) {
    // By its mark: when a jail was killed from outside, what is in it lives on.
    await endMarked(MARK, folder);
    await ended(child);
    await endLimits(folder);
    if (signal.aborted) throw error;
    throw new Error((await lastWords(folder)) || (error as Error).message, { cause: error });
  }
}

/** Descriptors 3 and 4 are for what it makes. */
const passedOn = ({ from }: Preparation) =>
  ["ignore", "ignore", "pipe", ...(from === undefined ? [] : [from])] as const;

async function untilPrepared(child: ChildProcess, { onDone }: Preparation): Promise<void> {
  const pipe = (child.stdio as readonly unknown[])[PREPARED] as Readable;
  for await (const _ of pipe) return onDone?.();
  throw new Error("what the monitor is to inherit could not be prepared");
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  await once(child, "exit");
}

/**
 * Ends a monitor that was started for a VM's folder although no record knows it (a crash between launch and record), and
 * removes what it left to connect to. Resolves when it is gone.
 */
export async function endStrayMonitor(folder: string): Promise<void> {
  await endMarked(MARK, folder);
  await removeEndpoints(folder);
}

/** Removes the sockets and pipes in a VM's folder, the monitor's control group and the jailer's jail: one that was killed leaves them. */
export async function removeEndpoints(folder: string): Promise<void> {
  await leaveJail(folder);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []); // deleted with its VM
  const endpoints = entries.filter((entry) => entry.isSocket() || entry.isFIFO());
  await Promise.all(endpoints.map((entry) => rm(join(folder, entry.name), { force: true })));
  await endLimits(folder);
}

/** The last line of what a monitor wrote to its log; empty when there is none. */
export async function lastWords(folder: string): Promise<string> {
  const said = await readFile(join(folder, LOG), "utf8").catch(() => "");
  const lines = said.trim().split("\n");
  return lines.findLast((line) => !line.startsWith(BACKTRACE_HINT)) ?? "";
}

/** Each change of the folder is a moment to try. The process's own end stops the waiting. */
async function untilAnswering<M>(
  { title, patienceMs = ANSWER_MS }: MonitorCommand,
  child: ChildProcess,
  folder: string,
  connect: () => Promise<M>,
  signal: AbortSignal,
): Promise<M> {
  const stop = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const whyStopped = () =>
    signal.aborted ? signal.reason : new Error(`${title} did not answer within ${patienceMs / 1000} s`);
  return new Promise((resolve, reject) => {
    const watcher = watch(folder);
    let trying = false;
    let again = false;
    let refused = 0;
    let finished = false;
    const finish = (settle: () => void) => {
      finished = true;
      watcher.close();
      child.off("exit", onExit);
      settle();
    };
    const onExit = (code: number | null, name: string | null) =>
      finish(() => reject(new Error(`${title} ended at once (${name ?? exitText(code)})`)));
    const attempt = async () => {
      again = true;
      if (trying) return;
      trying = true;
      while (again && !finished) {
        again = false;
        try {
          const machine = await connect();
          return finish(() => resolve(machine));
        } catch (error) {
          const { code, syscall } = error as NodeJS.ErrnoException;
          if (syscall !== "connect") {
            // Its own end, when that is why, is told by `onExit` and says more.
            await once(child, "exit", { signal: AbortSignal.timeout(DYING_MS) }).catch(() => {});
            return finish(() => reject(error));
          }
          // A socket is there but not listened on yet, or has no room for one more who waits. That changes nothing in the folder.
          if (code !== "ENOENT") again = await delay(REFUSED_MS[refused++] ?? REFUSED_MS[2], true);
        }
      }
      trying = false;
    };
    child.once("exit", onExit);
    stop.addEventListener("abort", () => finish(() => reject(whyStopped())), { once: true });
    watcher.on("change", () => void attempt());
    void attempt();
  });
}

/** A jail passes its inhabitant's death by a signal on as 128 + n. */
function exitText(code: number | null): string {
  return code !== null && code > 128 ? `killed by signal ${code - 128}` : `code ${code}`;
}
