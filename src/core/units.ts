/** Sizes and durations as people write them (spec: `512M 4G 4GiB 2048`, `90s 15m 2h`). */
import { BangerError } from "./errors.ts";

const KIB = 1024;
export const MIB = KIB * KIB;
export const GIB = MIB * KIB;
const UNITS: Record<string, number> = { k: KIB, m: MIB, g: GIB, t: GIB * KIB };

/**
 * Parses a size into bytes.
 * @param bare what a number without a unit means, in bytes (MiB for memory, GiB for disks)
 * @throws invalid_argument naming `what`
 */
export function parseSize(text: string, what: string, bare: number): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*(?:([kmgt])(?:i?b)?)?$/i.exec(text.trim());
  const unit = match?.[2] ? UNITS[match[2].toLowerCase()] : bare;
  const bytes = match?.[1] && unit ? Math.round(Number(match[1]) * unit) : Number.NaN;
  if (!Number.isSafeInteger(bytes) || bytes <= 0) {
    throw BangerError.of("invalid_argument", {
      what,
      problem: `'${text}' is not a size above zero`,
      accepted: "a number with an optional unit, such as 512M, 4G or 4GiB",
    });
  }
  return bytes;
}

const DURATIONS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Parses `90s 15m 2h 500ms` (bare number = seconds) into milliseconds. @throws invalid_argument */
export function parseDuration(text: string, what: string): number {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)\s*(ms|s|m|h|d)?$/i.exec(text.trim());
  const unit = match ? DURATIONS[(match[2] ?? "s").toLowerCase()] : undefined;
  const ms = match?.[1] && unit ? Math.round(Number(match[1]) * unit) : Number.NaN;
  if (!Number.isSafeInteger(ms) || ms <= 0) {
    throw BangerError.of("invalid_argument", {
      what,
      problem: `'${text}' is not a duration above zero`,
      accepted: "a number with a unit, such as 90s, 15m or 2h",
    });
  }
  return ms;
}

/** `8G`, `1.5G`, `512M`: at most one decimal. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [
    ["T", GIB * KIB],
    ["G", GIB],
    ["M", MIB],
    ["K", KIB],
  ] as const) {
    if (bytes >= factor) return `${trimDecimal(bytes / factor)}${unit}`;
  }
  return `${bytes}B`;
}

/** `1 file`, `2 files`: names that take an s. */
export const count = (n: number, name: string): string => `${n} ${name}${n === 1 ? "" : "s"}`;

/** `850ms`, `3.2s`, `4m12s`, `2h05m`, `3d4h`. */
export function formatDuration(ms: number): string {
  // Compared as they are printed: 59.97 s is a minute, not "60s".
  if (Math.round(ms) < 1000) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${trimDecimal(ms / 1000)}s`;
  const seconds = Math.round(ms / 1000);
  const pad = (n: number) => String(n).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${pad(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d${Math.floor((seconds % 86_400) / 3600)}h`;
}

function trimDecimal(value: number): string {
  return value.toFixed(1).replace(/\.0$/, "");
}
