/**
 * config.toml as a schema. Every key is optional; unknown keys and bad values are errors that name the key.
 * docs/config.md is made of it (`npm run docs`) and tested to be current.
 */
import { z } from "zod";
import { catalogSource } from "./catalog-source.ts";
import { keyName, lineOf } from "./config-lines.ts";
import { BangerError } from "./errors.ts";
import { fileSync } from "./file-sync.ts";
import { GIB, MIB, parseDuration, parseSize } from "./units.ts";

const size = (bare: number) =>
  z.union([z.int().positive(), z.string()]).transform((value, context) => {
    try {
      return parseSize(String(value), "size", bare);
    } catch (error) {
      return refuse(error, context);
    }
  });

/** A bare number is MiB; 0 is none at all. */
const sizeOrNone = z.union([z.literal(0), z.literal("0"), size(MIB)]).transform((value) => Number(value));

function refuse(error: unknown, context: z.RefinementCtx): never {
  const message = error instanceof BangerError ? `${error.message} (${error.hint})` : String(error);
  context.addIssue({ code: "custom", message });
  return z.NEVER;
}

const program = (what: string) =>
  z
    .string()
    .regex(/^(~\/.|\/)/, "must be an absolute path or begin with ~/")
    .optional()
    .describe(what);

/** Each is copied at each start. */
const MAX_SYNCED = 100;
/** Each is asked when an image is looked for that is not here. */
const MAX_CATALOGS = 20;
/** Each takes memory. */
export const MAX_STANDBY = 64;
const standbyAccepted = `must be a whole number from 0 to ${MAX_STANDBY}`;
const duration = z.union([z.literal(0), z.literal("0"), z.string()]).transform((value, context) => {
  if (value === 0 || value === "0") return 0;
  try {
    return parseDuration(value, "duration");
  } catch (error) {
    return refuse(error, context);
  }
});

/** The guest's resolver takes so many (resolv.conf(5), MAXNS). */
const MAX_RESOLVERS = 3;
const resolver = z
  .ipv4("must be an IPv4 address")
  .refine(
    (address) => !/^(127|0)\./.test(address),
    "must be an address that a guest reaches, not this host's own",
  );

export const configSchema = z.strictObject({
  log_level: z
    .enum(["trace", "debug", "info", "warn", "error"])
    .default("info")
    .describe("How much the daemon writes to its log."),
  default_image: z
    .string()
    .min(1)
    .default("debian-bookworm")
    .describe("The image of a VM that is made without `--image`."),
  default_kernel: z
    .string()
    .min(1)
    .default("debian-cloud")
    .describe("The kernel of a VM that is made without `--kernel`."),
  driver: z
    .enum(["auto", "firecracker", "qemu"])
    .default("auto")
    .describe("What runs VMs; `auto` takes the best one that this host can use."),
  firecracker_bin: program("The Firecracker program; without it `firecracker` on PATH."),
  jailer_bin: program(
    "The jailer of the same release, which starts Firecracker when banger runs as root; without it `jailer` beside Firecracker or on PATH.",
  ),
  qemu_bin: program("The QEMU program; without it `qemu-system-x86_64` on PATH."),
  ssh_key_path: z
    .string()
    .regex(/^(~\/|\/)[^\0\n]+$/, "must be an absolute path, or start with ~/")
    .optional()
    .describe(
      "Private key without a passphrase, `~/…` or absolute, that opens guests over ssh; without it banger makes one of its own.",
    ),
  auto_stop_after: duration
    .prefault(0)
    .describe(
      "Stops a VM that was idle that long, such as `30m`: nobody ran a command in it, used its files or had a connection into it. 0 never does.",
    ),
  warm_cache: sizeOrNone
    .prefault("2G")
    .describe(
      "How much of the disk templates may take that VMs start warm from, such as `4G`; a bare number is MiB. 0 makes and uses none.",
    ),
  standby: z
    .int(standbyAccepted)
    .min(0, standbyAccepted)
    .max(MAX_STANDBY, standbyAccepted)
    .default(8)
    .describe(
      `How many machines may wait for the next VMs, 0 to ${MAX_STANDBY}: after a VM was started, as many of the same kind as a tenth of the host's free memory holds wait paused, or as many as were started together if that is more, for ten minutes at most. A VM that takes one over starts in less than half the time of a warm start; each takes some 200 MB meanwhile, and none is made where memory is short. 0: none.`,
    ),
  stats_interval: duration
    .refine((ms) => ms >= 200, "must be at least 200ms")
    .prefault("2s")
    .describe("How often `vm stats --watch` looks, such as `5s`; at least 200ms."),
  default_dns: z
    .array(resolver)
    .max(MAX_RESOLVERS, `at most ${MAX_RESOLVERS} addresses`)
    .default([])
    .describe(
      "Resolvers that guests with `--nat` ask, IPv4 addresses of other machines, at most 3; none: those of this host.",
    ),
  trust_host_ca: z
    .boolean()
    .default(false)
    .describe(
      "Guests trust the certificate authorities that were added to this host (docs/network.md), from their next start on.",
    ),
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
  catalogs: z.array(catalogSource).max(MAX_CATALOGS, `at most ${MAX_CATALOGS} entries`).default([]),
  file_sync: z.array(fileSync).max(MAX_SYNCED, `at most ${MAX_SYNCED} entries`).default([]),
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
    problem: `${line === null ? "" : `line ${line}: `}${keyName(path)}: ${issue?.message ?? "not valid"}`,
    accepted: unknown.length > 0 ? knownKeys(path.slice(0, -1)) : "the keys and values of docs/config.md",
  });
}

/** The keys of a table, for who wrote another. */
function knownKeys(table: readonly string[]): string {
  const shapes: Readonly<Record<string, object>> = {
    vm_defaults: configSchema.shape.vm_defaults.unwrap().shape,
    catalogs: catalogSource.shape,
    file_sync: fileSync.shape,
  };
  const shape = (table[0] !== undefined && shapes[table[0]]) || configSchema.shape;
  return `the keys ${Object.keys(shape).join(", ")}`;
}
