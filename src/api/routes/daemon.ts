/** Routes of the daemon itself. */
import * as s from "../schemas/daemon.ts";
import type { Route } from "./route.ts";

export const daemonRoutes = {
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
    summary: "A lease: what is made under it is cleaned up when this connection ends. One server-sent Lease",
    reply: "events",
    status: 200,
  },
} as const satisfies Record<string, Route>;
