/** Processes by identity: a pid alone may be another process tomorrow, pid and start time together may not. */
import { readdirSync, readFileSync } from "node:fs";

/** Start time (clock ticks since boot, field 22 of /proc/PID/stat) or null when there is no such process or it is a zombie. */
export function startTime(pid: number): string | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return null;
  }
  return parseStat(text);
}

/** Pure. The name (field 2) may hold anything, also spaces and brackets, so fields are counted from its last bracket. */
export function parseStat(text: string): string | null {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  const start = fields[19];
  return state === undefined || state === "Z" || state === "X" || !start || !/^\d+$/.test(start)
    ? null
    : start;
}

/** What finds one process again, and no other. */
export interface ProcessIdentity {
  readonly pid: number;
  /** As `startTime` tells it. */
  readonly pidStart: string;
}

/** Whether exactly this process still runs. */
export function isAlive(process: ProcessIdentity): boolean {
  return startTime(process.pid) === process.pidStart;
}

/** Sends SIGKILL to exactly this process and what it started (a jail does not take its inhabitant along); nothing when it is gone. */
export function killProcess(target: ProcessIdentity): void {
  if (!isAlive(target)) return;
  // Collected before the first kill: afterwards the children belong to somebody else.
  for (const pid of family(target.pid)) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // it ended in between
    }
  }
}

/** Sends a signal to a child of ours and to everything below it. */
export function signalFamily(pid: number, signal: NodeJS.Signals): void {
  for (const member of family(pid)) {
    try {
      process.kill(member, signal);
    } catch {
      // it ended in between
    }
  }
}

/** What this process runs in the end: a jail's inhabitant, or itself when it has none; null when it is gone. */
export function innermostPid(target: { readonly pid: number; readonly pidStart: string }): number | null {
  return isAlive(target) ? (family(target.pid).at(-1) ?? null) : null;
}

/** Sends a signal to what this process runs in the end: a jail's inhabitant, or itself when it has none; nothing when it is gone. */
export function signalInnermost(
  target: { readonly pid: number; readonly pidStart: string },
  signal: NodeJS.Signals,
): void {
  const innermost = innermostPid(target);
  try {
    if (innermost !== null) process.kill(innermost, signal);
  } catch {
    // it ended in between
  }
}

/** This user's processes that were started with a variable of that value in their environment. */
export function findByEnvironment(name: string, value: string): ProcessIdentity[] {
  const entry = `${name}=${value}`;
  return findProcesses((pid) => readOr(`/proc/${pid}/environ`, "").split("\0").includes(entry));
}

/** The processes of a user, whatever they have made of themselves: in all namespaces below this one. */
export function findByUser(uid: number): ProcessIdentity[] {
  return findProcesses((pid) => {
    const owner = /^Uid:\t(\d+)\t/m.exec(readOr(`/proc/${pid}/status`, ""))?.[1];
    return Number(owner) === uid;
  });
}

function findProcesses(wanted: (pid: number) => boolean): ProcessIdentity[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    const pid = Number(entry);
    const pidStart = startTime(pid); // before the look: what it then shows belongs to this very process
    return pidStart !== null && wanted(pid) ? [{ pid, pidStart }] : [];
  });
}

/** A process and everything below it. */
function family(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(family)];
}

/** Resident memory in bytes of a process and everything below it; 0 when gone. */
export function residentBytes(pid: number): number {
  return family(pid).reduce((sum, id) => sum + residentOf(id), 0);
}

function residentOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readOr(`/proc/${pid}/status`, ""))?.[1];
  return Number(kib ?? 0) * 1024;
}

function childrenOf(pid: number): number[] {
  return readOr(`/proc/${pid}/task/${pid}/children`, "").split(" ").filter(Boolean).map(Number);
}

/** Processes end at any moment, and others' are closed to us. */
function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return otherwise;
  }
}
