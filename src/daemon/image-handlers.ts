/** Routes of single images. */
import type { ImageDetails } from "../api/schemas.ts";
import type { VmContext } from "../vm/context.ts";
import type { Handlers } from "./server.ts";
import type { Stores } from "./store-handlers.ts";

export function imageHandlers(context: VmContext & Stores): Pick<Handlers, "getImage"> {
  return {
    getImage: async ({ params }): Promise<ImageDetails> => {
      const image = await context.images.find(params.image ?? "");
      return {
        name: image.name,
        digest: image.digest,
        source: image.source,
        size_bytes: image.sizeBytes,
        created_at: image.createdAt,
        used_by: context.vms
          .list()
          .filter((vm) => vm.imageDigest === image.digest)
          .map((vm) => vm.name),
        description: image.description,
        origin: image.origin,
        env: image.env,
        user: image.run.user,
        working_directory: image.run.workingDirectory,
        entrypoint: [...image.run.entrypoint],
        command: [...image.run.command],
      };
    },
  };
}
