/** What takes space, and what of it can go. */
import { z } from "zod";
import { bytes } from "./common.ts";

const partKind = z.enum(["vm", "snapshot", "image", "kernel", "cache"]);

export const part = z
  .object({
    kind: partKind,
    id: z
      .string()
      .describe("id of the VM or snapshot, digest of the image or kernel, name of the cached thing"),
    name: z.string(),
    detail: z.string().describe("what it is, for people"),
    size_bytes: bytes.describe("blocks that it takes on the disk"),
    used_by: z
      .array(z.string())
      .describe("names of VMs, and `snapshot NAME`, that need it; for a VM that runs, its own"),
    current: z.boolean().describe("false: a newer one of its name has taken its place"),
  })
  .meta({ id: "Part" });

export const prune = z
  .strictObject({
    kind: partKind.exclude(["vm", "snapshot"]),
    all: z.boolean().optional().describe("images and kernels: current ones too, when no VM uses them"),
    dry_run: z.boolean().optional().describe("tell what would go"),
  })
  .meta({ id: "Prune" });

export const pruned = z
  .object({ removed: z.array(part), freed_bytes: bytes, dry_run: z.boolean() })
  .meta({ id: "Pruned" });

export type Part = z.infer<typeof part>;
export type Prune = z.infer<typeof prune>;
export type Pruned = z.infer<typeof pruned>;
