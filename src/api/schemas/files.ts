/** Files in a guest. */
import { z } from "zod";
import { bytes, timestamp } from "./common.ts";

export const fileEntry = z
  .object({
    name: z.string(),
    type: z.enum(["file", "dir", "symlink", "fifo", "socket", "char", "block"]),
    mode: z.int(),
    uid: z.int(),
    gid: z.int(),
    size: bytes,
    mtime: timestamp,
    target: z.string().nullable().describe("of a symlink"),
  })
  .meta({ id: "FileEntry" });

export const moveFile = z
  .strictObject({ from: z.string().min(1), to: z.string().min(1), replace: z.boolean().optional() })
  .meta({ id: "MoveFile" });

export const unpacked = z
  .object({ bytes, entries: z.int().nonnegative() })
  .meta({ id: "Unpacked", description: "what was taken of an archive" });

export const fileEvent = z
  .object({
    path: z.string(),
    kind: z.enum(["create", "modify", "delete", "move_from", "move_to", "attrib", "overflow"]),
    directory: z.boolean(),
  })
  .meta({ id: "FileEvent" });

export type FileEntry = z.infer<typeof fileEntry>;
export type Unpacked = z.infer<typeof unpacked>;
export type FileEvent = z.infer<typeof fileEvent>;
