/** Routes of ports in a guest. */
import * as s from "../schemas/ports.ts";
import type { Route } from "./route.ts";

export const portsRoutes = {
  getPorts: {
    method: "GET",
    path: "/v1/vms/{vm}/ports",
    summary: "What listens in the guest, and which ports of the host lead into it",
    reply: s.vmPorts,
    status: 200,
  },

  connectPort: {
    method: "GET",
    path: "/v1/vms/{vm}/ports/{port}/connect",
    summary:
      "A TCP connection to a port in the guest: a WebSocket of data, ConnectClientMessages and ConnectServerMessages",
    reply: "websocket",
    status: 101,
  },
} as const satisfies Record<string, Route>;
