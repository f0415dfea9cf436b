/** Routes of files in a guest. */
import { z } from "zod";
import * as s from "../schemas/files.ts";
import { flag, path, type Route } from "./route.ts";

export const filesRoutes = {
  statFile: {
    method: "GET",
    path: "/v1/vms/{vm}/files/stat",
    summary: "One file; a symlink itself, unless follow is given",
    query: z.object({ path, follow: flag }),
    reply: s.fileEntry,
    status: 200,
  },

  listFiles: {
    method: "GET",
    path: "/v1/vms/{vm}/files",
    summary: "A folder's entries",
    query: z.object({ path }),
    reply: z.array(s.fileEntry),
    status: 200,
  },

  readFile: {
    method: "GET",
    path: "/v1/vms/{vm}/files/content",
    summary: "A file's bytes",
    query: z.object({ path }),
    reply: "stream",
    status: 200,
  },

  writeFile: {
    method: "PUT",
    path: "/v1/vms/{vm}/files/content",
    summary: "Write a file atomically",
    query: z.object({
      path,
      mode: z
        .string()
        .regex(/^[0-7]{3,4}$/)
        .optional(),
      parents: flag,
    }),
    body: "stream",
    reply: "empty",
    status: 204,
  },

  makeDirectory: {
    method: "POST",
    path: "/v1/vms/{vm}/files/directories",
    summary: "Make a folder",
    body: z.strictObject({ path, parents: z.boolean().optional() }),
    reply: "empty",
    status: 204,
  },

  moveFile: {
    method: "POST",
    path: "/v1/vms/{vm}/files/move",
    summary: "Rename within the guest",
    body: s.moveFile,
    reply: "empty",
    status: 204,
  },

  removeFile: {
    method: "DELETE",
    path: "/v1/vms/{vm}/files",
    summary: "Remove a file or, with recursive, a tree",
    query: z.object({ path, recursive: flag }),
    reply: "empty",
    status: 204,
  },

  watchFiles: {
    method: "GET",
    path: "/v1/vms/{vm}/files/events",
    summary: "Changes below a path, as server-sent FileEvents",
    query: z.object({ path, recursive: flag }),
    reply: "events",
    status: 200,
  },

  readArchive: {
    method: "GET",
    path: "/v1/vms/{vm}/archive",
    summary: "A tree as a pax archive; one that breaks off has no end blocks, and the reason as a trailer",
    query: z.object({
      path,
      name: z
        .string()
        .min(1)
        .max(4096)
        .optional()
        .describe("of the top in the archive; default: . or the file's name"),
    }),
    reply: "stream",
    status: 200,
  },

  writeArchive: {
    method: "PUT",
    path: "/v1/vms/{vm}/archive",
    summary: "Unpack an archive into an existing folder",
    query: z.object({ path }),
    body: "stream",
    reply: s.unpacked,
    status: 200,
  },
} as const satisfies Record<string, Route>;
