/** catalog.json: which images and kernels its publisher hands out. Pure; its signature is checked before it is read. */
import { z } from "zod";

export const KINDS = ["image", "kernel"] as const;
export type Kind = (typeof KINDS)[number];

/** Bytes of a catalog; one with a thousand entries has 400 KiB. */
export const MAX_CATALOG = 4 * 1024 * 1024;
/** Of a bundle, and of what it unpacks to. */
export const MAX_BUNDLE = 128 * 1024 ** 3;

const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;
/** Names in catalogs have no `/` and no `:`, so that none is taken for one with a registry or a tag. */
export const isEntryName = (text: string): boolean => NAME.test(text);

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "must be a sha256 in hex");
const label = z
  .string()
  .max(64)
  .regex(/^[\w.+~-]*$/);

const entry = z.object({
  kind: z.enum(KINDS),
  name: z.string().regex(NAME),
  /** Such as `debian`; for people. */
  distro: label.default(""),
  /** In the words of OCI: `amd64`, `arm64`. */
  arch: z.string().regex(/^[a-z0-9]{2,16}$/),
  /** Of an image: the kernel that it is made for, an entry of a catalog or a built-in name; empty: any. Of a kernel: its release. */
  kernel: label.default(""),
  /** Of the bundle; what is not absolute is beside the catalog. */
  url: z.string().min(1).max(2000),
  sha256,
  /** Bytes of the bundle. */
  size: z.int().positive().max(MAX_BUNDLE),
  description: z.string().max(200).default(""),
});
export type Entry = Readonly<z.infer<typeof entry>>;

const catalog = z.object({
  version: z.literal(1),
  /** Grows with every publication: one with a smaller number than was seen before is refused. */
  serial: z.int().positive(),
  updated: z.iso.datetime(),
  entries: z.array(entry).max(10_000),
});
export type Catalog = Readonly<z.infer<typeof catalog>>;

/** A catalog that is not accepted; the message says what is wrong with it, for people. */
export class CatalogError extends Error {}

/** @throws CatalogError */
export function parseCatalog(bytes: Buffer): Catalog {
  const result = catalog.safeParse(parseJson(bytes));
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new CatalogError(`${issue?.path.join(".") || "it"}: ${issue?.message}`);
  }
  const seen = new Set<string>();
  for (const { kind, name, arch } of result.data.entries) {
    const key = `${kind} ${name} for ${arch}`;
    if (seen.has(key)) throw new CatalogError(`two entries for ${key}`);
    seen.add(key);
  }
  return result.data;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new CatalogError("it is not JSON");
  }
}

/** This machine's architecture in the words of catalogs. */
export const hostArch = (): string => (process.arch === "x64" ? "amd64" : process.arch);
