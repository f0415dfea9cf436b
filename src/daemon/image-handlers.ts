/** Routes of single images. */
import type { ImageDetails } from "../api/schemas.ts";
import { BangerError } from "../core/errors.ts";
import { exportImage } from "../images/oci/export.ts";
import { shownPath } from "../images/oci/local.ts";
import type { VmContext } from "../vm/context.ts";
import { untilLeft } from "./cleaning-handlers.ts";
import type { Operations } from "./operations.ts";
import type { Handlers } from "./server.ts";
import type { Stores } from "./store-handlers.ts";
import { usersOf } from "./users.ts";

type ImageRoute =
  | "getImage"
  | "deleteImage"
  | "importImage"
  | "registerImage"
  | "promoteImage"
  | "exportImage";

export function imageHandlers(
  context: VmContext & Stores,
  operations: Operations,
): Pick<Handlers, ImageRoute> {
  const { images } = context;
  return {
    getImage: async ({ params }): Promise<ImageDetails> => {
      const image = await images.find(params.image ?? "");
      return {
        name: image.name,
        digest: image.digest,
        source: image.source,
        size_bytes: image.sizeBytes,
        created_at: image.createdAt,
        used_by: usersOf(context, "image", image.digest),
        description: image.description,
        file: image.file?.path ?? null,
        origin: image.origin,
        kernel: image.kernel,
        env: image.env,
        user: image.run.user,
        working_directory: image.run.workingDirectory,
        entrypoint: [...image.run.entrypoint],
        command: [...image.run.command],
      };
    },
    deleteImage: ({ params, reply }) =>
      context.supplies.clean(untilLeft(reply), async () => {
        const image = await images.find(params.image ?? "");
        const gone = await images.remove(image, () => {
          const users = usersOf(context, "image", image.digest);
          if (users.length === 0) return;
          throw BangerError.of("image_in_use", { name: image.name, users: users.slice(0, 10).join(", ") });
        });
        if (gone) await context.warm.forget(image.digest);
      }),
    importImage: async ({ body }) =>
      operations.start("image_import", shownPath(body.path), async (work) => {
        const request = { path: body.path, name: body.name ?? null, tag: body.tag ?? null };
        return { image: (await context.supplies.use(() => images.import(request, work))).name };
      }),
    registerImage: async ({ body }) =>
      operations.start("image_register", body.path, async (work) => ({
        image: (await context.supplies.use(() => images.register(body.path, body.name, work))).name,
      })),
    promoteImage: async ({ params }) => {
      const { name } = await images.find(params.image ?? "");
      return operations.start("image_promote", name, async (work) => {
        await context.supplies.use(() => images.promote(name, work));
      });
    },
    exportImage: async ({ params, body }) => {
      const image = await images.find(params.image ?? "");
      return operations.start("image_export", image.name, (work) =>
        context.supplies.use(() => exportImage(image, body.path, body.format, work)),
      );
    },
  };
}
