/** Every route of the daemon, as data: the daemon registers handlers by name, OpenAPI is generated from it. */
import { z } from "zod";
import * as s from "./schemas.ts";

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly path: string;
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType | "stream";
  /** A schema for JSON, or the kind of stream that comes back. */
  readonly reply: z.ZodType | "empty" | "stream" | "text" | "events" | "websocket";
  readonly status: 200 | 202 | 204 | 101;
}

const flag = z.stringbool().describe("true or false").optional();
const number = z.coerce.number().int().nonnegative().optional();
const path = z.string().min(1).max(4096).describe("absolute path in the guest");

const op = { reply: s.operation, status: 202 } as const;

export const ROUTES = {
  getStatus: {
    method: "GET",
    path: "/v1/status",
    summary: "The daemon itself",
    reply: s.daemonStatus,
    status: 200,
  },
  shutdown: {
    method: "POST",
    path: "/v1/shutdown",
    summary: "End the daemon; VMs run on",
    reply: "empty",
    status: 204,
  },
  openLease: {
    method: "GET",
    path: "/v1/lease",
    summary:
      'A lease: what is made under it is cleaned up when this WebSocket ends. The first text message is {"lease": id}',
    reply: "websocket",
    status: 101,
  },

  listVms: {
    method: "GET",
    path: "/v1/vms",
    summary: "All VMs, oldest first",
    reply: z.array(s.vm),
    status: 200,
  },
  createVm: {
    method: "POST",
    path: "/v1/vms",
    summary: "Create a VM, and start it unless told otherwise; the operation's target is its id",
    body: s.createVm,
    ...op,
  },
  getVm: {
    method: "GET",
    path: "/v1/vms/{vm}",
    summary: "One VM by name, id or unique id prefix",
    reply: s.vm,
    status: 200,
  },
  deleteVm: {
    method: "DELETE",
    path: "/v1/vms/{vm}",
    summary: "Delete a VM and its disk; a running one is killed first",
    ...op,
  },
  startVm: {
    method: "POST",
    path: "/v1/vms/{vm}/start",
    summary: "Start a stopped VM",
    body: s.startVm,
    ...op,
  },
  stopVm: {
    method: "POST",
    path: "/v1/vms/{vm}/stop",
    summary: "Sync and power off in order within a bound, else kill",
    body: s.stopVm,
    ...op,
  },
  getLogs: {
    method: "GET",
    path: "/v1/vms/{vm}/logs",
    summary: "Serial console, raw bytes",
    query: z.object({ tail: number.describe("last lines only"), follow: flag }),
    reply: "stream",
    status: 200,
  },
  getStats: {
    method: "GET",
    path: "/v1/vms/{vm}/stats",
    summary: "What the guest uses now",
    reply: s.vmStats,
    status: 200,
  },
  waitSystem: {
    method: "POST",
    path: "/v1/vms/{vm}/wait-system",
    summary: "Answers when the image's init has finished starting",
    reply: z.object({ state: z.string() }),
    status: 200,
  },

  exec: {
    method: "GET",
    path: "/v1/vms/{vm}/exec",
    summary: "Run or attach to a process: a WebSocket of ExecClientMessages and ExecServerMessages",
    reply: "websocket",
    status: 101,
  },
  listProcesses: {
    method: "GET",
    path: "/v1/vms/{vm}/processes",
    summary: "Processes started through the agent",
    reply: z.array(s.guestProcess),
    status: 200,
  },
  signalProcess: {
    method: "POST",
    path: "/v1/vms/{vm}/processes/{proc}/signal",
    summary: "Signal a process group",
    body: z.strictObject({ signal: z.int().min(1).max(64) }),
    reply: "empty",
    status: 204,
  },

  statFile: {
    method: "GET",
    path: "/v1/vms/{vm}/files/stat",
    summary: "One file, symlinks not followed",
    query: z.object({ path }),
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
    summary: "A tree as a pax archive",
    query: z.object({ path }),
    reply: "stream",
    status: 200,
  },
  writeArchive: {
    method: "PUT",
    path: "/v1/vms/{vm}/archive",
    summary: "Unpack an archive into an existing folder",
    query: z.object({ path }),
    body: "stream",
    reply: "empty",
    status: 204,
  },

  listOperations: {
    method: "GET",
    path: "/v1/operations",
    summary: "Operations under way and the last 100 ended ones",
    reply: z.array(s.operation),
    status: 200,
  },
  getOperation: {
    method: "GET",
    path: "/v1/operations/{operation}",
    summary: "One operation",
    reply: s.operation,
    status: 200,
  },
  followOperation: {
    method: "GET",
    path: "/v1/operations/{operation}/events",
    summary: "Server-sent OperationEvents: what was, what comes, the end",
    reply: "events",
    status: 200,
  },
  cancelOperation: {
    method: "POST",
    path: "/v1/operations/{operation}/cancel",
    summary: "Cancel; what is half made is undone",
    reply: s.operation,
    status: 200,
  },

  listImages: {
    method: "GET",
    path: "/v1/images",
    summary: "Images here, with available also those that can be obtained",
    query: z.object({ available: flag }),
    reply: z.array(s.image),
    status: 200,
  },
  pullImage: {
    method: "POST",
    path: "/v1/images/pull",
    summary: "Obtain an image if it is not here",
    body: s.pull,
    ...op,
  },
  listKernels: {
    method: "GET",
    path: "/v1/kernels",
    summary: "Kernels here, with available also those that can be obtained",
    query: z.object({ available: flag }),
    reply: z.array(s.kernel),
    status: 200,
  },
  pullKernel: {
    method: "POST",
    path: "/v1/kernels/pull",
    summary: "Obtain a kernel if it is not here",
    body: s.pull,
    ...op,
  },
} as const satisfies Record<string, Route>;

export type RouteName = keyof typeof ROUTES;
