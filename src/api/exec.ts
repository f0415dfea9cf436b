/**
 * The messages of the exec WebSocket (`GET /v1/vms/{vm}/exec`).
 *
 * The client's first message is a text message with `execStart` (start a process) or `execAttach` (attach to one). Then both
 * sides send binary messages, one byte of channel (0 stdin, 1 stdout, 2 stderr) followed by data, and text messages.
 * Flow control is the socket's own: a side that cannot take more stops reading.
 */
import { z } from "zod";
import { errorBody } from "./schemas.ts";

const size = z.strictObject({ rows: z.int().min(1).max(10_000), cols: z.int().min(1).max(10_000) });
const onDisconnect = z
  .enum(["keep", "hangup"])
  .describe("what becomes of the process when this connection ends before it; default hangup");

export const execStart = z
  .strictObject({
    type: z.literal("start"),
    argv: z.array(z.string()).min(1),
    env: z.record(z.string().regex(/^[^=\0]+$/), z.string()).optional(),
    cwd: z.string().optional(),
    user: z.string().max(256).optional(),
    pty: size.optional(),
    stdin: z.boolean().optional().describe("false: /dev/null"),
    timeout_ms: z.int().positive().optional(),
    on_disconnect: onDisconnect.optional(),
    detach: z.boolean().optional().describe("start only; output is kept for a later attach"),
    login: z.boolean().optional().describe("argv[0] gets a leading '-', as login shells do"),
    label: z.string().max(64).optional(),
  })
  .meta({ id: "ExecStart" });

export const execAttach = z
  .strictObject({
    type: z.literal("attach"),
    proc: z.int().positive(),
    stdout_offset: z.int().nonnegative().optional(),
    stderr_offset: z.int().nonnegative().optional(),
    on_disconnect: onDisconnect.optional(),
  })
  .meta({ id: "ExecAttach" });

export const execClientMessage = z
  .discriminatedUnion("type", [
    execStart,
    execAttach,
    z.strictObject({ type: z.literal("eof") }).describe("no more stdin"),
    z.strictObject({ type: z.literal("resize"), rows: size.shape.rows, cols: size.shape.cols }),
    z.strictObject({ type: z.literal("signal"), signal: z.int().min(1).max(64) }),
  ])
  .meta({ id: "ExecClientMessage" });

export const execServerMessage = z
  .discriminatedUnion("type", [
    z.object({
      type: z.literal("started"),
      proc: z.int(),
      pid: z.int(),
      stdout_offset: z.int(),
      stderr_offset: z.int(),
    }),
    z.object({
      type: z.literal("exited"),
      code: z.int().nullable(),
      signal: z.int().nullable(),
      timed_out: z.boolean(),
    }),
    z.object({ type: z.literal("detached") }).describe("the process runs on; nothing more comes"),
    z.object({ type: z.literal("error"), error: errorBody }),
  ])
  .meta({ id: "ExecServerMessage" });

export type ExecStart = z.infer<typeof execStart>;
export type ExecAttach = z.infer<typeof execAttach>;
export type ExecClientMessage = z.infer<typeof execClientMessage>;
export type ExecServerMessage = z.infer<typeof execServerMessage>;
