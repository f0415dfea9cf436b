import { formatDuration, formatSize } from "../../core/units.ts";
import { BangerError, type DaemonStatus } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import type { Context } from "../context.ts";
import { fields } from "../terminal/table.ts";
import type { View } from "../terminal/view.ts";

export type DaemonReport = ({ readonly running: true } & DaemonStatus) | { readonly running: false };

/** The daemon's own words, or that there is none; never starts it. */
export async function daemonReport(context: Context): Promise<DaemonReport> {
  try {
    await context.connect({ autostart: false });
    return { running: true, ...(await context.status()) };
  } catch (error) {
    if (error instanceof BangerError && error.code === "daemon_unreachable") return { running: false };
    throw error;
  }
}

/** The report for people. */
export function renderDaemon(report: DaemonReport, { style }: View): string {
  if (!report.running) return `daemon   ${style.yellow("not running")} (commands that need it start it)\n`;
  const { driver, standby } = report;
  return fields([
    ["daemon", `${style.green("running")} (pid ${report.pid}, for ${formatDuration(report.uptime_ms)})`],
    ["version", `${report.version} (API ${report.api}, Node ${report.node})`],
    ["memory", formatSize(report.rss_bytes)],
    ["VMs", `${report.vms.running} running, ${report.vms.total} in all`],
    ["standby", standby ? `${standby.machines} × ${standby.name}` : "none"],
    ["driver", `${driver.name}: ${driver.usable ? driver.detail : style.red(driver.detail)}`],
    ["state", report.state_directory],
  ]);
}

export default define({
  name: "daemon status",
  summary: "whether the daemon runs, and how",
  options: { json },
  examples: [["banger daemon status", "exit code 1 when it does not run"]],
  handler: (_input, context) => daemonReport(context),
  render: renderDaemon,
  exitCode: (report) => (report.running ? 0 : 1),
});
