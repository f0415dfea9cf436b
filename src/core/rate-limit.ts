/** How fast a VM may use its disk or its network, as people write it: `10M`, `10M,burst=40M`, `10M,iops=500`. */
import { BangerError } from "./errors.ts";
import { formatSize, GIB, parseSize } from "./units.ts";

export interface RateLimit {
  readonly bytesPerSecond: number;
  /** How much may go at full speed after a rest; null = a tenth of a second's worth. */
  readonly burstBytes: number | null;
  /** Reads and writes; null = as many as go. Disks only. */
  readonly opsPerSecond: number | null;
}

/** Below the least a guest's own housekeeping would not get through. */
export const RATE_LIMITS = {
  bytesPerSecond: { min: 64 * 1024, max: 1024 * GIB },
  opsPerSecond: { min: 10, max: 10_000_000 },
} as const;

/**
 * Parses `BYTES[,burst=BYTES][,iops=N]`, bytes each second; a bare number is bytes.
 * @param what the option, for the message
 * @param takesOps whether operations can be limited, too
 * @throws invalid_argument
 */
export function parseRate(text: string, what: string, takesOps: boolean): RateLimit {
  const [rate = "", ...rest] = text.split(",");
  const limit = { bytesPerSecond: parseSize(rate, what, 1), burstBytes: null, opsPerSecond: null };
  const parts: { -readonly [K in keyof RateLimit]: RateLimit[K] } = limit;
  for (const part of rest) {
    const [name, value = ""] = part.split("=");
    if (name === "burst" && parts.burstBytes === null) parts.burstBytes = parseSize(value, what, 1);
    else if (name === "iops" && takesOps && parts.opsPerSecond === null && /^\d{1,9}$/.test(value))
      parts.opsPerSecond = Number(value);
    else throw refused(what, `'${part}' is not a part of a rate`, takesOps);
  }
  const flaw = rateFlaw(parts);
  if (flaw !== null) throw refused(what, `'${text}' ${flaw}`, takesOps);
  return parts;
}

/** What is wrong with a rate, or null. Pure; the daemon asks too. A burst below a second's worth is none: QEMU has it so. */
export function rateFlaw({ bytesPerSecond, burstBytes, opsPerSecond }: RateLimit): string | null {
  const { bytesPerSecond: bytes, opsPerSecond: ops } = RATE_LIMITS;
  if (bytesPerSecond < bytes.min || bytesPerSecond > bytes.max)
    return `is not between ${formatSize(bytes.min)} and ${formatSize(bytes.max)} each second`;
  if (burstBytes !== null && (burstBytes < bytesPerSecond || burstBytes > bytes.max))
    return `has a burst that is not between a second's worth and ${formatSize(bytes.max)}`;
  if (opsPerSecond !== null && (opsPerSecond < ops.min || opsPerSecond > ops.max))
    return `has an iops that is not between ${ops.min} and ${ops.max}`;
  return null;
}

/** `10M/s`, `10M/s, bursts of 40M, 500 iops`. */
export function formatRate({ bytesPerSecond, burstBytes, opsPerSecond }: RateLimit): string {
  const more = [
    ...(burstBytes === null ? [] : [`bursts of ${formatSize(burstBytes)}`]),
    ...(opsPerSecond === null ? [] : [`${opsPerSecond} iops`]),
  ];
  return [`${formatSize(bytesPerSecond)}/s`, ...more].join(", ");
}

function refused(what: string, problem: string, takesOps: boolean): BangerError {
  const form = `BYTES[,burst=BYTES]${takesOps ? "[,iops=N]" : ""}`;
  const accepted = `${form} each second, such as 10M or 10M,burst=40M`;
  return BangerError.of("invalid_argument", { what, problem, accepted });
}
