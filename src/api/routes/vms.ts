/** Routes of the life of VMs. */
import { z } from "zod";
import * as s from "../schemas/vms.ts";
import { flag, number, type Route, starts } from "./route.ts";

export const vmsRoutes = {
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
    ...starts,
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
    query: z.object({ unless_running: flag.describe("true: refuse unless it rests") }),
    ...starts,
  },

  startVm: {
    method: "POST",
    path: "/v1/vms/{vm}/start",
    summary: "Start a stopped VM",
    body: s.startVm,
    ...starts,
  },

  stopVm: {
    method: "POST",
    path: "/v1/vms/{vm}/stop",
    summary: "Sync and power off in order within a bound, else kill",
    body: s.stopVm,
    ...starts,
  },

  restartVm: {
    method: "POST",
    path: "/v1/vms/{vm}/restart",
    summary: "Stop it as stop does, if it runs, and start it: a new boot",
    body: s.restartVm,
    ...starts,
  },

  pauseVm: {
    method: "POST",
    path: "/v1/vms/{vm}/pause",
    summary: "Have a running VM stand still in memory",
    ...starts,
  },

  resumeVm: {
    method: "POST",
    path: "/v1/vms/{vm}/resume",
    summary: "Let a paused VM go on, its clock put right",
    ...starts,
  },

  killVm: {
    method: "POST",
    path: "/v1/vms/{vm}/kill",
    summary: "Signal the monitor and wait for its end; the guest is not asked",
    body: s.killVm,
    ...starts,
  },

  setVm: {
    method: "POST",
    path: "/v1/vms/{vm}/set",
    summary: "Change name, sizes: all that is asked for or nothing",
    body: s.setVm,
    ...starts,
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
} as const satisfies Record<string, Route>;
