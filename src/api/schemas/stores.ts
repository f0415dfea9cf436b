/** What VMs are made of: images and kernels. */
import { z } from "zod";
import { bytes, timestamp } from "./common.ts";

export const image = z
  .object({
    name: z.string(),
    digest: z.string().nullable().describe("null: can be obtained, not here yet"),
    source: z.string(),
    size_bytes: bytes.nullable(),
    created_at: timestamp.nullable(),
    used_by: z.array(z.string()).describe("names of VMs, and `snapshot NAME`"),
  })
  .meta({ id: "Image" });

export const kernel = z
  .object({
    name: z.string(),
    digest: z.string().nullable(),
    release: z.string().nullable(),
    source: z.string(),
    size_bytes: bytes.nullable(),
    created_at: timestamp.nullable(),
    used_by: z.array(z.string()),
  })
  .meta({ id: "Kernel" });

export const pull = z.strictObject({ name: z.string().min(1).max(512) }).meta({ id: "Pull" });

export type Image = z.infer<typeof image>;
export type Kernel = z.infer<typeof kernel>;
