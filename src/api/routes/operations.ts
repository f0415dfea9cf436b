/** Routes of long work. */
import { z } from "zod";
import * as s from "../schemas/operations.ts";
import type { Route } from "./route.ts";

export const operationsRoutes = {
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
} as const satisfies Record<string, Route>;
