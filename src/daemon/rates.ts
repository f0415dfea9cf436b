/** Limits of speed, between the wire and the record. */
import type { DiskRate, NetRate } from "../api/schemas.ts";
import { BangerError } from "../core/errors.ts";
import { type RateLimit, rateFlaw } from "../core/rate-limit.ts";

/** @param what the field, for the message. @throws invalid_argument */
export function rateOf(rate: DiskRate | NetRate | null, what: string): RateLimit | null {
  if (rate === null) return null;
  const limit: RateLimit = {
    bytesPerSecond: rate.bytes_per_second,
    burstBytes: rate.burst_bytes ?? null,
    opsPerSecond: "ops_per_second" in rate ? (rate.ops_per_second ?? null) : null,
  };
  const flaw = rateFlaw(limit);
  if (flaw === null) return limit;
  const accepted = "docs/openapi.json has the bounds";
  throw BangerError.of("invalid_argument", { what, problem: `the rate ${flaw}`, accepted });
}

/** The wire form; a network's has no operations. */
export function describeNetRate(rate: RateLimit | null): NetRate | null {
  return rate && { bytes_per_second: rate.bytesPerSecond, burst_bytes: rate.burstBytes };
}

export function describeDiskRate(rate: RateLimit | null): DiskRate | null {
  const shared = describeNetRate(rate);
  return rate && shared && { ...shared, ops_per_second: rate.opsPerSecond };
}
