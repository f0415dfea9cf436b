/** Routes of catalogs, and of what publishers make of the images here. */
import type { catalogsRoutes } from "../api/routes/catalogs.ts";
import type { CatalogStatus, MakeBundle } from "../api/schemas.ts";
import type { BundleContent } from "../catalog/bundle.ts";
import type { CatalogState } from "../catalog/catalogs.ts";
import type { Kind } from "../catalog/document.ts";
import { readPublicKey, readSigningKey } from "../catalog/keys.ts";
import { bundleInto, type CheckBundle, publish } from "../catalog/publish.ts";
import { verifyAll } from "../catalog/verify.ts";
import { BangerError } from "../core/errors.ts";
import { silent } from "../core/stage.ts";
import { checkImageBundle, imageBundle, isIntact } from "../images/bundle.ts";
import type { VmContext } from "../vm/context.ts";
import { untilLeft } from "./cleaning-handlers.ts";
import type { Operations } from "./operations.ts";
import type { Handlers } from "./server.ts";
import type { Stores } from "./store-handlers.ts";

export function catalogHandlers(
  context: VmContext & Stores,
  operations: Operations,
): Pick<Handlers, keyof typeof catalogsRoutes> {
  const { images, catalogs } = context;
  /** Two publications into one folder at once would lose one of the entries. */
  let publishing: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = publishing.then(work);
    publishing = result.catch(() => {});
    return result;
  };
  const contentOf = async (request: MakeBundle & { kernel?: string | undefined }): Promise<BundleContent> => {
    const image = await images.find(request.name);
    return imageBundle(image, request.as ?? image.name, request.kernel || image.kernel);
  };
  return {
    listCatalogs: async ({ query, reply }) => {
      await context.readConfig();
      const states = query.refresh
        ? await context.supplies.use(() => catalogs.refresh({ report: silent, signal: untilLeft(reply) }))
        : await catalogs.known();
      return states.map(describe);
    },
    verifyCatalog: async ({ body }) => {
      const key = await readPublicKey(body.key);
      return operations.start("verify", body.target, async (work) => {
        const { catalog, entries } = await verifyAll(body.target, key, CHECKS, context.paths, work);
        const checked = entries.map(({ entry: { kind, name, arch }, problem }) => ({
          kind,
          name,
          arch,
          problem: problem?.toBody() ?? null,
        }));
        return { verified: { serial: catalog.serial, updated_at: catalog.updated, entries: checked } };
      });
    },
    makeBundle: async ({ body }) => {
      const content = await contentOf(body);
      return operations.start("bundle", body.name, (work) =>
        context.supplies.use(async () => {
          const { path, sha256, size } = await bundleInto(body.folder, content, CHECKS[body.kind], work);
          return { bundle: { path, sha256, size_bytes: size } };
        }),
      );
    },
    publish: async ({ body }) => {
      const content = await contentOf(body);
      const key = await readSigningKey(body.key);
      const { kind, folder, distro = "", kernel = content.details.kernel ?? "", description = "" } = body;
      const facts = { distro, kernel: String(kernel), description };
      return operations.start("publish", body.name, (work) =>
        context.supplies.use(() =>
          inTurn(async () => {
            const { serial, changed, entry } = await publish(folder, content, facts, key, CHECKS[kind], work);
            const { name, url: file, sha256, size } = entry;
            return { published: { name, serial, changed, file, sha256, size_bytes: size } };
          }),
        ),
      );
    },
    verifyStored: async ({ body: { kind, name } }) => {
      const image = await images.find(name);
      return operations.start("verify", name, (work) =>
        context.supplies.use(async () => {
          work.report.stage("checking", image.name);
          if (await isIntact(image, work.signal)) return;
          throw BangerError.of("stored_damaged", { kind, name: image.name });
        }),
      );
    },
  };
}

const CHECKS: Readonly<Record<Kind, CheckBundle>> = {
  image: checkImageBundle,
  kernel: () => {},
};

function describe({ url, catalog, problem }: CatalogState): CatalogStatus {
  const count = (kind: Kind) => (catalog?.entries ?? []).filter((entry) => entry.kind === kind).length;
  return {
    url,
    serial: catalog?.serial ?? null,
    updated_at: catalog?.updated ?? null,
    images: count("image"),
    kernels: count("kernel"),
    problem: problem?.toBody() ?? null,
  };
}
