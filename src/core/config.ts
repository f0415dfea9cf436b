/**
 * config.toml as a schema. Every key is optional; unknown keys and bad values are errors that name the key.
 * docs/config.md is made of it (`npm run docs`) and tested to be current.
 */
import { z } from "zod";
import { BangerError } from "./errors.ts";
import { GIB, MIB, parseSize } from "./units.ts";

const size = (bare: number) =>
  z.union([z.int().positive(), z.string()]).transform((value, context) => {
    try {
      return parseSize(String(value), "size", bare);
    } catch (error) {
      context.addIssue({
        code: "custom",
        message: error instanceof BangerError ? `${error.message} (${error.hint})` : String(error),
      });
      return z.NEVER;
    }
  });

export const configSchema = z.strictObject({
  log_level: z
    .enum(["trace", "debug", "info", "warn", "error"])
    .default("info")
    .describe("How much the daemon writes to its log."),
  default_image: z
    .string()
    .min(1)
    .default("debian-slim")
    .describe("The image of a VM that is made without `--image`."),
  driver: z
    .enum(["auto", "qemu"])
    .default("auto")
    .describe("What runs VMs; `auto` takes the best one that this host can use."),
  vm_defaults: z
    .strictObject({
      vcpu: z
        .int()
        .positive()
        .optional()
        .describe(
          "Virtual CPUs; without it a quarter of the host's, between 2 (or all, if it has fewer) and 4.",
        ),
      memory: size(MIB)
        .optional()
        .describe("Memory, a bare number is MiB; without it an eighth of the host's, between 2G and 8G."),
      disk_size: size(GIB).optional().describe("Disk, a bare number is GiB; without it 8G."),
    })
    .default({}),
});

export type Config = z.output<typeof configSchema>;

/** Validates parsed TOML. @throws invalid_config naming the file, the key and what is accepted */
export function parseConfig(value: unknown, file: string): Config {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue?.path.join(".") || "(top level)";
  throw BangerError.of("invalid_config", {
    file,
    problem: `${key}: ${issue?.message ?? "not valid"}`,
    accepted: "the keys and values of docs/config.md",
  });
}
