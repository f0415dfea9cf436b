/** Routes of images and kernels. */
import type { Image, Kernel } from "../api/schemas.ts";
import type { Catalogs } from "../catalog/catalogs.ts";
import type { ImageStore } from "../images/store.ts";
import type { KernelStore, Kernel as StoredKernel } from "../kernels/store.ts";
import type { VmContext } from "../vm/context.ts";
import type { Operations } from "./operations.ts";
import type { Handlers } from "./server.ts";
import { usersOf } from "./users.ts";

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
  return {
    listImages: async ({ query }) => {
      const here = (await context.images.list()).map(
        (image): Image => ({
          name: image.name,
          digest: image.digest,
          source: image.source,
          size_bytes: image.sizeBytes,
          created_at: image.createdAt,
          used_by: usersOf(context, "image", image.digest),
        }),
      );
      return query.available ? [...here, ...missing(await context.images.listAvailable())] : here;
    },
    pullImage: async ({ body }) =>
      operations.start("image_pull", body.name, async (work) => {
        await context.readConfig();
        await context.supplies.use(async () => {
          const { kernel } = await context.images.pull(body.name, work);
          if (kernel !== null) await context.kernels.ensure(kernel, work);
        });
      }),
    listKernels: async ({ query }) => {
      const here = (await context.kernels.list()).map((kernel) => kernelRow(context, kernel));
      const available = query.available ? missing(await context.kernels.listAvailable()) : [];
      return [...here, ...available.map((entry) => ({ ...entry, release: null }))];
    },
    pullKernel: async ({ body }) =>
      operations.start("kernel_pull", body.name, async (work) => {
        await context.readConfig();
        await context.supplies.use(() => context.kernels.pull(body.name, work));
      }),
  };
}

/** A kernel as lists show it. */
export function kernelRow(context: VmContext, kernel: StoredKernel) {
  return {
    name: kernel.name,
    digest: kernel.digest,
    release: kernel.release,
    source: kernel.source,
    size_bytes: kernel.sizeBytes,
    created_at: kernel.createdAt,
    used_by: usersOf(context, "kernel", kernel.digest),
  } satisfies Kernel;
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
