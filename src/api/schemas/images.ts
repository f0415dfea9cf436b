/** Images in detail. */
import { z } from "zod";
import { image } from "./stores.ts";

export const imageDetails = image
  .extend({
    description: z.string(),
    file: z.string().nullable().describe("a registered image: the file of this host that VMs use in place"),
    origin: z
      .string()
      .describe(
        "a registry's image: the digest that its name stood for; a catalog's: the sha256 of its bundle; else empty",
      ),
    kernel: z.string().nullable().describe("the kernel that a catalog's image is made for; null: any"),
    env: z.record(z.string(), z.string()).describe("environment of every process"),
    user: z.string().describe("who runs commands unless they say otherwise; empty: root"),
    working_directory: z
      .string()
      .describe("where commands run unless they say otherwise; empty: the user's home"),
    entrypoint: z.array(z.string()),
    command: z
      .array(z.string())
      .describe("with the entrypoint before it: what `vm run` runs without a command"),
  })
  .meta({ id: "ImageDetails" });

export const hostPath = z.string().startsWith("/").max(4096).describe("absolute path on this host");

export const importImage = z
  .strictObject({
    path: hostPath,
    name: z.string().min(1).max(512).optional().describe("default: the name that the file carries"),
    tag: z.string().min(1).max(512).optional().describe("which of several images in it"),
  })
  .meta({ id: "ImportImage" });

export const registerImage = z
  .strictObject({ path: hostPath, name: z.string().min(1).max(512) })
  .meta({ id: "RegisterImage" });

export const importedImage = z
  .object({ image: z.string().describe("the name that it got") })
  .meta({ id: "ImportedImage" });

export const exportImage = z
  .strictObject({ path: hostPath, format: z.enum(["oci", "oci-archive", "rootfs"]) })
  .meta({ id: "ExportImage" });

export type ImageDetails = z.infer<typeof imageDetails>;
