/** Processes in a guest that were started through the agent; how they are run is in ../exec.ts. */
import { z } from "zod";
import { timestamp } from "./common.ts";

export const guestProcess = z
  .object({
    proc: z.int().describe("the agent's id, never reused in a boot"),
    pid: z.int(),
    argv: z.array(z.string()),
    user: z.string(),
    label: z.string(),
    pty: z.boolean(),
    running: z.boolean(),
    attached: z.boolean(),
    code: z.int().nullable(),
    signal: z.int().nullable(),
    started_at: timestamp,
  })
  .meta({ id: "GuestProcess" });

export type GuestProcess = z.infer<typeof guestProcess>;
