/**
 * Processes that carry a mark in their environment, given to them when they were started and inherited by their children:
 * found again without a record, and never mistaken for somebody else's, whatever they are called and wherever they work.
 */
import { setTimeout as delay } from "node:timers/promises";
import { findByEnvironment, isAlive, killProcess } from "./processes.ts";

const POLL_MS = 5;
/** A killed process is gone as soon as the kernel has freed its memory. */
const GONE_MS = 10_000;

/** Kills the processes of this user whose environment has `name=value`, but this one; resolves when they are gone. */
export async function endMarked(name: string, value: string): Promise<void> {
  const late = Date.now() + GONE_MS;
  const find = () => findByEnvironment(name, value).filter(({ pid }) => pid !== process.pid);
  // Again, because one that is killed may just have started another.
  for (let found = find(); found.length > 0 && Date.now() < late; found = find()) {
    for (const marked of found) killProcess(marked);
    // Nothing tells about the end of a process that is not a child.
    for (const marked of found) while (isAlive(marked) && Date.now() < late) await delay(POLL_MS);
  }
}
