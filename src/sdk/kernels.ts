/** The kernels that VMs boot, seen from a client. */
import type { Kernel, KernelDetails } from "../api/schemas.ts";
import { type Publishing, publishing } from "./catalogs.ts";
import { type Store, storeOf } from "./images.ts";
import { type FollowOptions, perform } from "./operations.ts";
import { segment, type Transport } from "./transport.ts";

/** The kernels. They are removed with `cleaning.deleteKernel`. */
export interface Kernels extends Store<Kernel>, Publishing {
  /** One that is here: by name, digest or unique beginning of its digest. @throws kernel_not_found */
  get(ref: string): Promise<KernelDetails>;
  /** Makes a kernel of files of this host, and lets `name` stand for it. @returns the kernel */
  import(name: string, files: KernelFiles, options?: FollowOptions): Promise<KernelDetails>;
  /** Writes one to a folder of this host that does not exist yet and that `import` takes. */
  export(ref: string, path: string, options?: FollowOptions): Promise<void>;
}

/** Absolute paths: a folder that holds everything, or the image with what belongs to it. */
export type KernelFiles =
  | { readonly from: string }
  | {
      /** bzImage or ELF kernel. */
      readonly vmlinuz: string;
      /** Its `lib/modules/<release>`, or a squashfs of it; left out when everything is built in. */
      readonly modules?: string;
      /** What it was built with; left out when the kernel carries it. */
      readonly config?: string;
    };

export function kernelsOf(transport: Transport): Kernels {
  const get = (ref: string) => transport.json<KernelDetails>(`/v1/kernels/${segment(ref)}`);
  return {
    ...storeOf<Kernel>(transport, "kernels"),
    ...publishing(transport, "kernel"),
    get,
    import: async (name, files, options) => {
      const call = { method: "POST", body: { name, ...files } } as const;
      await perform(transport, "/v1/kernels/import", call, options);
      return get(name);
    },
    export: async (ref, path, options) => {
      const call = { method: "POST", body: { path } } as const;
      await perform(transport, `/v1/kernels/${segment(ref)}/export`, call, options);
    },
  };
}
