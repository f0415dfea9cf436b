/** Routes of processes in a guest. */
import { z } from "zod";
import * as s from "../schemas/processes.ts";
import type { Route } from "./route.ts";

export const processesRoutes = {
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
} as const satisfies Record<string, Route>;
