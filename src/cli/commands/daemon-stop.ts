import { setTimeout as sleep } from "node:timers/promises";
import { BangerError } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import type { Context } from "../context.ts";
import { daemonReport } from "./daemon-status.ts";

const LIMIT_MS = 15_000;
const STEP_MS = 10;

export interface Stopped {
  /** False when there was nothing to stop. */
  readonly stopped: boolean;
  readonly pid: number | null;
}

/** Asks the daemon to end and waits until its process is gone. */
export async function stopDaemon(context: Context): Promise<Stopped> {
  const report = await daemonReport(context);
  if (!report.running) return { stopped: false, pid: null };
  const banger = await context.connect();
  await banger.shutdown();
  banger.close();
  // Its sockets close before it is gone; only then may another take its place.
  for (let waited = 0; isAlive(report.pid); waited += STEP_MS) {
    if (waited >= LIMIT_MS) {
      throw BangerError.of("daemon_unreachable", { reason: `process ${report.pid} does not end` });
    }
    await sleep(STEP_MS);
  }
  return { stopped: true, pid: report.pid };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

export default define({
  name: "daemon stop",
  summary: "end the daemon; VMs run on",
  options: { json },
  examples: [["banger daemon stop", "the next command that needs it starts it again"]],
  handler: (_input, context) => stopDaemon(context),
  render: ({ stopped, pid }) => (stopped ? `daemon stopped (pid ${pid})\n` : "daemon is not running\n"),
});
