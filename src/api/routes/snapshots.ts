/** Routes of snapshots. */
import { z } from "zod";
import * as s from "../schemas/snapshots.ts";
import { type Route, starts } from "./route.ts";

export const snapshotsRoutes = {
  createSnapshot: {
    method: "POST",
    path: "/v1/vms/{vm}/snapshots",
    summary:
      "Keep a VM as it is now: memory and disk of one that runs or is paused, the disk of a stopped one",
    body: s.createSnapshot,
    ...starts,
  },

  listSnapshots: {
    method: "GET",
    path: "/v1/snapshots",
    summary: "All snapshots, oldest first",
    reply: z.array(s.snapshot),
    status: 200,
  },

  getSnapshot: {
    method: "GET",
    path: "/v1/snapshots/{snapshot}",
    summary: "One snapshot by name or id",
    reply: s.snapshot,
    status: 200,
  },

  deleteSnapshot: {
    method: "DELETE",
    path: "/v1/snapshots/{snapshot}",
    summary: "Delete a snapshot; VMs that were made of it stay",
    reply: "empty",
    status: 204,
  },

  restoreSnapshot: {
    method: "POST",
    path: "/v1/snapshots/{snapshot}/restore",
    summary:
      "Make a VM of a snapshot, a machine of its own that goes on from there; the operation's target is its id",
    body: s.restoreSnapshot,
    ...starts,
  },

  forkVm: {
    method: "POST",
    path: "/v1/vms/{vm}/fork",
    summary: "Make copies of a running VM, all or none; it goes on. They publish no ports",
    body: s.forkVm,
    ...starts,
  },

  exportSnapshot: {
    method: "POST",
    path: "/v1/snapshots/{snapshot}/export",
    summary: "Write a snapshot to a file of this host, tar.zst",
    body: s.exportSnapshot,
    ...starts,
  },

  importSnapshot: {
    method: "POST",
    path: "/v1/snapshots/import",
    summary: "Take a snapshot from a file of this host; the operation's result tells its id",
    body: s.importSnapshot,
    ...starts,
  },
} as const satisfies Record<string, Route>;
