/** Long work: its state and its events. */
import { z } from "zod";
import { bundled, published, verifiedCatalog } from "./catalogs.ts";
import { errorBody, milliseconds, timestamp } from "./common.ts";
import { importedImage } from "./images.ts";
import { forkedVms, madeSnapshot } from "./snapshots.ts";
import { workspaceExport } from "./workspaces.ts";

export const operationState = z.enum(["running", "succeeded", "failed", "cancelled"]);

export const stage = z
  .object({
    name: z.string(),
    detail: z.string().nullable(),
    started_at: timestamp,
    took_ms: milliseconds.nullable().describe("null while under way"),
  })
  .meta({ id: "Stage" });

export const progress = z
  .object({
    done: z.number().nonnegative(),
    total: z.number().nonnegative().optional(),
    unit: z.enum(["bytes", "items"]),
    parts: z
      .array(z.object({ name: z.string(), done: z.number().nonnegative(), total: z.number().nonnegative() }))
      .readonly()
      .optional()
      .describe("what goes on side by side, such as layers that are fetched"),
  })
  .meta({ id: "Progress" });

export const operation = z
  .object({
    id: z.string(),
    kind: z.enum([
      "create",
      "start",
      "stop",
      "restart",
      "pause",
      "resume",
      "kill",
      "set",
      "delete",
      "workspace_prepare",
      "workspace_export",
      "image_pull",
      "image_import",
      "image_export",
      "image_register",
      "image_promote",
      "kernel_pull",
      "kernel_import",
      "kernel_export",
      "bundle",
      "publish",
      "verify",
      "snapshot_create",
      "snapshot_export",
      "snapshot_import",
      "restore",
      "fork",
    ]),
    target: z
      .string()
      .describe(
        "id of the VM, or name of the image or kernel, of an import the file, of a catalog its place",
      ),
    state: operationState,
    stages: z.array(stage),
    progress: progress.nullable(),
    notices: z.array(z.string()),
    error: errorBody.nullable(),
    result: z
      .union([workspaceExport, importedImage, bundled, published, verifiedCatalog, madeSnapshot, forkedVms])
      .nullable()
      .describe(
        "of workspace_export, image_import, image_register, bundle, publish, verify of a catalog, snapshot_create, snapshot_import and fork",
      ),
    created_at: timestamp,
    ended_at: timestamp.nullable(),
  })
  .meta({ id: "Operation" });

/** One server-sent event of `GET /v1/operations/{id}/events`: the whole story so far is replayed first. */
export const operationEvent = z
  .discriminatedUnion("type", [
    z.object({ type: z.literal("stage"), name: z.string(), detail: z.string().nullable() }),
    z.object({ type: z.literal("progress"), progress }),
    z.object({ type: z.literal("notice"), text: z.string() }),
    z.object({ type: z.literal("end"), operation }),
  ])
  .meta({ id: "OperationEvent" });

export type Operation = z.infer<typeof operation>;
export type OperationEvent = z.infer<typeof operationEvent>;
