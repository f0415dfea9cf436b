/** What a route is, and the parts that routes share. */
import { z } from "zod";
import { operation } from "../schemas/operations.ts";

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

export const flag = z.stringbool().describe("true or false").optional();
export const number = z.coerce.number().int().nonnegative().optional();
export const path = z.string().min(1).max(4096).describe("absolute path in the guest");

/** A route that starts an operation. */
export const starts = { reply: operation, status: 202 } as const;
