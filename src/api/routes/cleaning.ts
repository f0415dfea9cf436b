/** Routes of cleaning up. */
import { z } from "zod";
import * as s from "../schemas/cleaning.ts";
import type { Route } from "./route.ts";

export const cleaningRoutes = {
  listParts: {
    method: "GET",
    path: "/v1/parts",
    summary: "Everything that takes space",
    reply: z.array(s.part),
    status: 200,
  },

  prune: {
    method: "POST",
    path: "/v1/prune",
    summary: "Remove what nothing uses; waits until creations, starts and pulls under way have ended",
    body: s.prune,
    reply: s.pruned,
    status: 200,
  },

  deleteKernel: {
    method: "DELETE",
    path: "/v1/kernels/{kernel}",
    summary: "Remove a kernel by name or digest (or its beginning), unless a VM uses it",
    reply: s.pruned,
    status: 200,
  },
} as const satisfies Record<string, Route>;
