/** Routes of images and kernels. */
import type { Image, Kernel } from "../api/schemas.ts";
import type { Catalogs } from "../catalog/catalogs.ts";
import type { ImageStore } from "../images/store.ts";
import type { KernelStore } from "../kernels/store.ts";
import type { VmContext } from "../vm/context.ts";
import type { Operations } from "./operations.ts";
import type { Handlers } from "./server.ts";

export interface Stores {
  readonly catalogs: Catalogs;
  readonly images: ImageStore;
  readonly kernels: KernelStore;
}

type StoreRoute = "listImages" | "pullImage" | "listKernels" | "pullKernel";

export function storeHandlers(
  context: VmContext & Stores,
  operations: Operations,
): Pick<Handlers, StoreRoute> {
  const usedBy = (key: "imageDigest" | "kernelDigest", digest: string) =>
    context.vms
      .list()
      .filter((vm) => vm[key] === digest)
      .map((vm) => vm.name);
  return {
    listImages: async ({ query }) => {
      const here = (await context.images.list()).map(
        (image): Image => ({
          name: image.name,
          digest: image.digest,
          source: image.source,
          size_bytes: image.sizeBytes,
          created_at: image.createdAt,
          used_by: usedBy("imageDigest", image.digest),
        }),
      );
      return query.available ? [...here, ...missing(await context.images.listAvailable())] : here;
    },
    pullImage: async ({ body }) =>
      operations.start("image_pull", body.name, async (work) => {
        await context.readConfig();
        await context.supplies.use(() => context.images.pull(body.name, work));
      }),
    listKernels: async ({ query }) => {
      const here = (await context.kernels.list()).map(
        (kernel): Kernel => ({
          name: kernel.name,
          digest: kernel.digest,
          release: kernel.release,
          source: kernel.source,
          size_bytes: kernel.sizeBytes,
          created_at: kernel.createdAt,
          used_by: usedBy("kernelDigest", kernel.digest),
        }),
      );
      const available = query.available ? missing(await context.kernels.listAvailable()) : [];
      return [...here, ...available.map((entry) => ({ ...entry, release: null }))];
    },
    pullKernel: async ({ body }) =>
      operations.start("kernel_pull", body.name, async (work) => {
        await context.readConfig();
        await context.supplies.use(() => context.kernels.ensure(body.name, work));
      }),
  };
}

function missing(
  available: readonly { readonly name: string; readonly description: string; readonly installed: boolean }[],
): Image[] {
  return available
    .filter((entry) => !entry.installed)
    .map((entry) => ({
      name: entry.name,
      digest: null,
      source: entry.description,
      size_bytes: null,
      created_at: null,
      used_by: [],
    }));
}
