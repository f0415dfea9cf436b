/**
 * One daemon per state folder. The lock is a SQLite exclusive transaction: the kernel releases it when the process ends,
 * however it ends, and there is no stale lock file to guess about.
 */
import { DatabaseSync } from "node:sqlite";

const SQLITE_BUSY = 5;

/** @returns the held lock (kept until the process ends), or null when another daemon holds it */
export function acquireDaemonLock(path: string): Disposable | null {
  const database = new DatabaseSync(path);
  try {
    database.exec("PRAGMA busy_timeout = 0; BEGIN EXCLUSIVE");
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return null;
    throw error;
  }
}
