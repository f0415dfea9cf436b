/** Routes of ports in a guest. */
import type { Route } from "./route.ts";

export const portsRoutes = {
  connectPort: {
    method: "GET",
    path: "/v1/vms/{vm}/ports/{port}/connect",
    summary:
      "A TCP connection to a port in the guest: a WebSocket of data, ConnectClientMessages and ConnectServerMessages",
    reply: "websocket",
    status: 101,
  },
} as const satisfies Record<string, Route>;
