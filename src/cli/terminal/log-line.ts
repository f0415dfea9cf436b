/** A line of the daemon's log (JSON, written by pino) for people. */
import type { Style } from "./view.ts";

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};

/** `14:02:11.310 info  operation ended op=op-x7 state=succeeded`; what is not such JSON stays as it is. */
export function renderLogLine(line: string, style: Style): string {
  let entry: Record<string, unknown>;
  try {
    entry = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return line;
  }
  const { level, time, msg, message, pid: _pid, hostname: _hostname, ...facts } = entry;
  const name = typeof level === "number" ? (LEVELS[level] ?? String(level)) : String(level ?? "");
  const at = typeof time === "number" ? new Date(time).toISOString().slice(11, 23) : "";
  const colour = /error|fatal/.test(name) ? style.red : name === "warn" ? style.yellow : style.dim;
  const rest = Object.entries(facts).map(([key, value]) => `${style.dim(`${key}=`)}${plain(value)}`);
  return [style.dim(at), colour(name.padEnd(5)), String(msg ?? message ?? ""), ...rest]
    .filter((part) => part !== "")
    .join(" ");
}

const plain = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
