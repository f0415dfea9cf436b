/** The daemon itself. */
import { z } from "zod";
import { bytes, milliseconds } from "./common.ts";

export const daemonStatus = z
  .object({
    version: z.string(),
    api: z.int().describe("number of the API, 1"),
    pid: z.int(),
    uptime_ms: milliseconds,
    node: z.string(),
    rss_bytes: bytes,
    state_directory: z.string(),
    vms: z.object({ total: z.int(), running: z.int() }),
    standby: z
      .object({ name: z.string().describe("for people: image, sizes, driver"), machines: z.int() })
      .nullable()
      .describe("what kind of VM machines stand by for, and how many (`standby` in config.toml); null: none"),
    driver: z.object({ name: z.string(), usable: z.boolean(), detail: z.string() }),
  })
  .meta({ id: "DaemonStatus" });

/** The one server-sent event of `GET /v1/lease`. */
export const lease = z.object({ lease: z.string().describe("id, for createVm") }).meta({ id: "Lease" });

export type DaemonStatus = z.infer<typeof daemonStatus>;
