/** A line of the daemon's log (JSON, written by pino) for people. */
import { clean } from "../../core/errors.ts";
import type { Style } from "./view.ts";

const LEVELS: Readonly<Record<number, string>> = {
  10: "trace",
  20: "debug",
  30: "info",
  40: "warn",
  50: "error",
  60: "fatal",
};
/** No line of ours is longer; whatever is, is cut. */
const MAX_PART = 64 * 1024;
/** The largest time that a Date can hold. */
const LAST_DATE = 8.64e15;

/**
 * `2026-11-24T14:02:11.310Z info  operation ended op=op-x7 state=succeeded`; what is not such JSON stays as it is.
 * Some of it comes from guests, so control characters are escaped.
 */
export function renderLogLine(line: string, style: Style): string {
  const entry = parseEntry(line);
  if (!entry) return clean(line, MAX_PART);
  const { level, time, msg, message, pid: _pid, hostname: _hostname, ...facts } = entry;
  const name = typeof level === "number" ? (LEVELS[level] ?? String(level)) : String(level ?? "");
  const at = typeof time === "number" && Math.abs(time) <= LAST_DATE ? new Date(time).toISOString() : "";
  const colour = /error|fatal/.test(name) ? style.red : name === "warn" ? style.yellow : style.dim;
  const rest = Object.entries(facts).map(([key, value]) => `${style.dim(`${clean(key)}=`)}${plain(value)}`);
  return [style.dim(at), colour(clean(name).padEnd(5)), plain(msg ?? message ?? ""), ...rest]
    .filter((part) => part !== "")
    .join(" ");
}

function parseEntry(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && !Array.isArray(value)
      ? (value as Record<string, unknown> | null)
      : null;
  } catch {
    return null;
  }
}

const plain = (value: unknown) => clean(typeof value === "string" ? value : JSON.stringify(value), MAX_PART);
