/** Limits of speed, of a VM's disk and network. */
import { z } from "zod";
import { RATE_LIMITS } from "../../core/rate-limit.ts";

const { bytesPerSecond: perSecond, opsPerSecond: ops } = RATE_LIMITS;

/** How fast a network may be used, each direction by itself. */
export const netRate = z
  .strictObject({
    bytes_per_second: z.int().min(perSecond.min).max(perSecond.max),
    burst_bytes: z
      .int()
      .min(perSecond.min)
      .max(perSecond.max)
      .nullable()
      .optional()
      .describe("what may go at full speed after a rest, at least a second's worth; null: a tenth of one"),
  })
  .meta({ id: "NetRate" });

/** How fast a disk may be used, reading and writing together. */
export const diskRate = netRate
  .extend({
    ops_per_second: z.int().min(ops.min).max(ops.max).nullable().optional().describe("reads and writes"),
  })
  .meta({ id: "DiskRate" });

export type NetRate = z.infer<typeof netRate>;
export type DiskRate = z.infer<typeof diskRate>;
