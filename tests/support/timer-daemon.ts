/**
 * The daemon, started in the place of src/daemon/main.ts, with an eye on its timers: on SIGUSR2 it writes those that are pending to
 * the file that BANGER_TEST_TIMERS names, each with where it was made.
 */
import { createHook } from "node:async_hooks";
import { renameSync, writeFileSync } from "node:fs";

export interface PendingTimer {
  readonly ms: number;
  readonly repeats: boolean;
  /** The stack of whoever made it. */
  readonly where: string;
}

const file = process.env.BANGER_TEST_TIMERS ?? "";
const pending = new Map<number, PendingTimer>();
Error.stackTraceLimit = 30;

createHook({
  init(id, type, _trigger, resource) {
    if (type !== "Timeout") return;
    const { _idleTimeout: ms, _repeat: repeat } = resource as {
      _idleTimeout: number;
      _repeat: number | null;
    };
    pending.set(id, { ms, repeats: repeat !== null, where: new Error().stack ?? "" });
  },
  destroy: (id) => void pending.delete(id),
}).enable();

process.on("SIGUSR2", () => {
  writeFileSync(`${file}.new`, JSON.stringify([...pending.values()]));
  renameSync(`${file}.new`, file);
});

await import("../../src/daemon/main.ts");
