/** config.toml as a schema. Every key is optional; unknown keys and bad values are errors that name the key. */
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

const schema = z.strictObject({
  log_level: z.enum(["trace", "debug", "info", "warn", "error"]).default("info"),
  default_image: z.string().min(1).default("debian-slim"),
  driver: z.enum(["auto", "qemu"]).default("auto"),
  vm_defaults: z
    .strictObject({
      vcpu: z.int().positive().optional(),
      memory: size(MIB).optional(),
      disk_size: size(GIB).optional(),
    })
    .default({}),
});

export type Config = z.output<typeof schema>;

/** Validates parsed TOML. @throws invalid_config naming the file, the key and what is accepted */
export function parseConfig(value: unknown, file: string): Config {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const key = issue?.path.join(".") || "(top level)";
  throw BangerError.of("invalid_config", {
    file,
    problem: `${key}: ${issue?.message ?? "not valid"}`,
    accepted: "the keys and values of docs/config.md",
  });
}
