import { define, json } from "../command.ts";
import type { Context } from "../context.ts";
import { daemonReport } from "./daemon-status.ts";

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
  return { stopped: true, pid: report.pid };
}

export default define({
  name: "daemon stop",
  summary: "end the daemon; VMs run on",
  options: { json },
  examples: [["banger daemon stop", "the next command that needs it starts it again"]],
  handler: (_input, context) => stopDaemon(context),
  render: ({ stopped, pid }) => (stopped ? `daemon stopped (pid ${pid})\n` : "daemon is not running\n"),
});
