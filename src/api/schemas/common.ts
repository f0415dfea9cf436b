/** What schemas of several topics share. */
import { z } from "zod";

export const timestamp = z.iso.datetime().describe("UTC, ISO 8601");

export const bytes = z.int().nonnegative();

export const milliseconds = z.int().nonnegative();

export const errorBody = z
  .object({
    code: z.string().describe("stable name, see docs/errors.md"),
    message: z.string(),
    hint: z.string().describe("what to do next"),
    exit: z.int().describe("exit code a command ends with"),
    details: z.record(z.string(), z.unknown()).optional(),
    operation: z.string().optional(),
  })
  .meta({ id: "Error" });

export const storeRef = z.object({ name: z.string(), digest: z.string() });
