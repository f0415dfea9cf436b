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

const program = (what: string) =>
  z
    .string()
    .regex(/^(~\/.|\/)/, "must be an absolute path or begin with ~/")
    .optional()
    .describe(what);

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
  qemu_bin: program("The QEMU program; without it `qemu-system-x86_64` on PATH."),
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

/**
 * Validates parsed TOML.
 * @param text what it was parsed from, to name the line
 * @throws invalid_config naming the file, the line, the key and what is accepted
 */
export function parseConfig(value: unknown, file: string, text: string): Config {
  const result = configSchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys.slice(0, 1) : [];
  const path = [...(issue?.path.map(String) ?? []), ...unknown];
  const line = lineOf(text, path);
  throw BangerError.of("invalid_config", {
    file,
    problem: `${line === null ? "" : `line ${line}: `}${path.join(".")}: ${issue?.message ?? "not valid"}`,
    accepted: "the keys and values of docs/config.md",
  });
}

/** The line on which a key, or the table or inline table that holds it, stands; null when it cannot be told. Pure. */
function lineOf(text: string, path: readonly string[]): number | null {
  let table: string[] = [];
  let holder: number | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const header = /^\s*\[\[?([^\]]+)\]/.exec(line)?.[1];
    const key = /^\s*([\w."' -]+?)\s*=/.exec(line)?.[1];
    if (header !== undefined) table = parts(header);
    const here = key === undefined ? table : [...table, ...parts(key)];
    if ((header ?? key) === undefined || !here.every((part, at) => part === path[at])) continue;
    if (here.length === path.length) return index + 1;
    holder = index + 1;
  }
  return holder;
}

const parts = (dotted: string) => dotted.split(".").map((part) => part.trim().replace(/^["']|["']$/g, ""));
