/** The stores of what VMs are made of, seen from a client. */
import type { Image, ImageDetails, Operation } from "../api/schemas.ts";
import { type Publishing, publishing } from "./catalogs.ts";
import { type FollowOptions, perform } from "./operations.ts";
import { segment, type Transport } from "./transport.ts";

/** A store of images or of kernels. */
export interface Store<T> {
  /** Those that are here, with `available` also those that can be obtained. */
  list(options?: { available?: boolean }): Promise<T[]>;
  /** Obtains one if it is not here. */
  pull(name: string, options?: FollowOptions): Promise<Operation>;
}

/** The images. */
export interface Images extends Store<Image>, Publishing {
  /** One that is here: by name, digest or unique beginning of its digest. @throws image_not_found | image_ambiguous */
  get(ref: string): Promise<ImageDetails>;
  /** Makes an image of a file or folder of this host. @returns the image */
  import(path: string, options?: ImageImportOptions & FollowOptions): Promise<ImageDetails>;
  /** Makes an image of a squashfs of this host, which VMs then use where it lies. @returns the image */
  register(path: string, name: string, options?: FollowOptions): Promise<ImageDetails>;
  /** Copies a registered image into the store; its file is not needed any more. @throws image_changed */
  promote(ref: string, options?: FollowOptions): Promise<ImageDetails>;
  /** Writes an image to a file or folder of this host that does not exist yet. */
  export(ref: string, path: string, options?: ImageExportOptions & FollowOptions): Promise<void>;
  /** Forgets a name; the image goes with its last one. @throws image_in_use */
  delete(ref: string): Promise<void>;
}

export interface ImageImportOptions {
  /** Default: the name that the file carries. */
  readonly name?: string | undefined;
  /** Which of several images in the file. */
  readonly tag?: string | undefined;
}

export interface ImageExportOptions {
  /** An OCI layout as folder (`oci`, default) or tar (`oci-archive`), or the files alone as tar (`rootfs`). */
  readonly format?: "oci" | "oci-archive" | "rootfs";
}

export function storeOf<T>(transport: Transport, kind: "images" | "kernels"): Store<T> {
  return {
    list: (options = {}) => transport.json(`/v1/${kind}`, { query: { available: options.available } }),
    pull: (name, options) =>
      perform(transport, `/v1/${kind}/pull`, { method: "POST", body: { name } }, options),
  };
}

export function imagesOf(transport: Transport): Images {
  const get = (ref: string) => transport.json<ImageDetails>(`/v1/images/${segment(ref)}`);
  return {
    ...storeOf<Image>(transport, "images"),
    ...publishing(transport, "image"),
    get,
    import: async (path, { name, tag, ...following } = {}) => {
      const body = { path, ...(name !== undefined && { name }), ...(tag !== undefined && { tag }) };
      const { result } = await perform(transport, "/v1/images/import", { method: "POST", body }, following);
      if (!result || !("image" in result)) throw new Error("an import told no image");
      return get(result.image);
    },
    register: async (path, name, following) => {
      const call = { method: "POST", body: { path, name } } as const;
      const { result } = await perform(transport, "/v1/images/register", call, following);
      if (!result || !("image" in result)) throw new Error("a registration told no image");
      return get(result.image);
    },
    promote: async (ref, following) => {
      await perform(transport, `/v1/images/${segment(ref)}/promote`, { method: "POST" }, following);
      return get(ref);
    },
    export: async (ref, path, { format = "oci", ...following } = {}) => {
      const call = { method: "POST", body: { path, format } } as const;
      await perform(transport, `/v1/images/${segment(ref)}/export`, call, following);
    },
    delete: (ref) => transport.json(`/v1/images/${segment(ref)}`, { method: "DELETE" }),
  };
}
