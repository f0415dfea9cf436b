/** Catalogs, and what publishers make: bundles and publications. */
import { z } from "zod";
import { bytes, errorBody, timestamp } from "./common.ts";
import { hostPath } from "./images.ts";

const kind = z.enum(["image", "kernel"]);
const name = z.string().min(1).max(512).describe("of the image or kernel: one that is here");
const entryName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/)
  .optional()
  .describe("the name that it gets in the catalog; default: its own");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const catalogStatus = z
  .object({
    url: z.string(),
    serial: z.int().nullable().describe("of the one that is used; null: there is none"),
    updated_at: timestamp.nullable(),
    images: z.int().nonnegative().describe("entries for any architecture"),
    kernels: z.int().nonnegative(),
    problem: errorBody.nullable().describe("why the newest one is not used, or is not known"),
  })
  .meta({ id: "CatalogStatus" });

export const makeBundle = z
  .strictObject({ kind, name, as: entryName, folder: hostPath })
  .meta({ id: "MakeBundle" });

export const bundled = z
  .object({ bundle: z.object({ path: z.string(), sha256, size_bytes: bytes }) })
  .meta({ id: "Bundled" });

export const publication = z
  .strictObject({
    kind,
    name,
    as: entryName,
    folder: hostPath.describe("folder of the catalog; made when it is missing"),
    key: hostPath.describe("file of the private key, mode 0600"),
    description: z.string().max(200).optional(),
    distro: z
      .string()
      .max(64)
      .regex(/^[\w.+~-]*$/)
      .optional(),
    kernel: z
      .string()
      .max(64)
      .regex(/^[\w.+~-]*$/)
      .optional()
      .describe("of an image: the kernel that goes with it"),
  })
  .meta({ id: "Publication" });

export const published = z
  .object({
    published: z.object({
      name: z.string(),
      serial: z.int(),
      changed: z.boolean().describe("false: the catalog had exactly this already"),
      file: z.string(),
      sha256,
      size_bytes: bytes,
    }),
  })
  .meta({ id: "Published" });

export const verifyCatalog = z
  .strictObject({
    target: z.string().min(1).max(4096).describe("absolute path of a folder, or address of a catalog.json"),
    key: hostPath.describe("file of the public key"),
  })
  .meta({ id: "VerifyCatalog" });

export const verifiedCatalog = z
  .object({
    verified: z.object({
      serial: z.int(),
      updated_at: timestamp,
      entries: z.array(
        z.object({ kind: z.string(), name: z.string(), arch: z.string(), problem: errorBody.nullable() }),
      ),
    }),
  })
  .meta({ id: "VerifiedCatalog" });

export const verifyStored = z.strictObject({ kind, name }).meta({ id: "VerifyStored" });

export type CatalogStatus = z.infer<typeof catalogStatus>;
export type MakeBundle = z.infer<typeof makeBundle>;
export type Bundled = z.infer<typeof bundled>["bundle"];
export type Publication = z.infer<typeof publication>;
export type Published = z.infer<typeof published>["published"];
export type VerifiedCatalog = z.infer<typeof verifiedCatalog>["verified"];
