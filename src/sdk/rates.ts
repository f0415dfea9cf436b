/** Limits of speed, as programs give them. */
import type { DiskRate, NetRate } from "../api/schemas.ts";

/** How fast a VM may use its network. */
export interface NetRateOptions {
  readonly bytesPerSecond: number;
  /** What may go at full speed after a rest, at least a second's worth; absent: a tenth of one. */
  readonly burstBytes?: number | null;
}

/** How fast a VM may use its disk. */
export interface DiskRateOptions extends NetRateOptions {
  /** Reads and writes each second. */
  readonly opsPerSecond?: number | null;
}

export const netRateRequest = ({ bytesPerSecond, burstBytes = null }: NetRateOptions): NetRate => ({
  bytes_per_second: bytesPerSecond,
  burst_bytes: burstBytes,
});

export const diskRateRequest = ({ opsPerSecond = null, ...rate }: DiskRateOptions): DiskRate => ({
  ...netRateRequest(rate),
  ops_per_second: opsPerSecond,
});
