/**
 * Processes that carry a mark in their environment, given to them when they were started and inherited by their children:
 * found again without a record, and never mistaken for somebody else's, whatever they are called and wherever they work.
 */
import { setTimeout as delay } from "node:timers/promises";
import { findByEnvironment, findByUser, isAlive, killProcess, type ProcessIdentity } from "./processes.ts";

const POLL_MS = 5;
/** A killed process is gone as soon as the kernel has freed its memory. */
const GONE_MS = 10_000;

/**
 * Ends the processes of this user whose environment has `name=value`, but this one; resolves when they are gone.
 * @param graceMs how long they may clean up behind them after a SIGTERM; 0: they are killed at once
 */
export async function endMarked(name: string, value: string, graceMs = 0): Promise<void> {
  const find = () => findByEnvironment(name, value).filter(({ pid }) => pid !== process.pid);
  if (graceMs > 0) {
    const asked = find();
    for (const { pid } of asked) terminate(pid);
    await gone(asked, Date.now() + graceMs);
  }
  await endAll(find);
}

/** Ends the processes of a user that is nobody's but theirs; resolves when they are gone. */
export function endOfUser(uid: number): Promise<void> {
  return endAll(() => findByUser(uid));
}

async function endAll(find: () => readonly ProcessIdentity[]): Promise<void> {
  const late = Date.now() + GONE_MS;
  // Again, because one that is killed may just have started another.
  for (let found = find(); found.length > 0 && Date.now() < late; found = find()) {
    for (const marked of found) killProcess(marked);
    await gone(found, late);
  }
}

/** Nothing tells about the end of a process that is not a child. */
async function gone(processes: readonly ProcessIdentity[], late: number): Promise<void> {
  for (const one of processes) while (isAlive(one) && Date.now() < late) await delay(POLL_MS);
}

function terminate(pid: number): void {
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    // it ended in between
  }
}
