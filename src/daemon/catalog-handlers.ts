/** Routes of catalogs, and of what publishers make of the images and kernels here. */
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
import { Turns } from "../core/turns.ts";
import { checkImageBundle, imageBundle, isIntact } from "../images/bundle.ts";
import { checkKernelBundle, isKernelIntact, kernelBundle } from "../kernels/bundle.ts";
import type { VmContext } from "../vm/context.ts";
import { untilLeft } from "./cleaning-handlers.ts";
import type { Operations } from "./operations.ts";
import type { Handlers } from "./server.ts";
import type { Stores } from "./store-handlers.ts";

export function catalogHandlers(
  context: VmContext & Stores,
  operations: Operations,
): Pick<Handlers, keyof typeof catalogsRoutes> {
  const { images, kernels, catalogs } = context;
  /** Two publications into one folder at once would lose one of the entries. */
  const turns = new Turns();
  const contentOf = async (request: MakeBundle & { kernel?: string | undefined }): Promise<BundleContent> => {
    const { kind, name, as, kernel } = request;
    if (kind === "kernel") {
      const found = await kernels.find(name);
      return kernelBundle(found, as ?? found.name);
    }
    const image = await images.find(name);
    return imageBundle(image, as ?? image.name, kernel || image.kernel);
  };
  /** What a name stands for, and how to see whether it is whole. */
  const stored = async (kind: Kind, ref: string) => {
    if (kind === "kernel") {
      const kernel = await kernels.find(ref);
      return { name: kernel.name, isWhole: (signal: AbortSignal) => isKernelIntact(kernel, signal) };
    }
    const image = await images.find(ref);
    return { name: image.name, isWhole: (signal: AbortSignal) => isIntact(image, signal) };
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
      const { kind, folder, distro = "", description = "" } = body;
      const facts = { distro, kernel: kernelOf(content), description };
      return operations.start("publish", body.name, (work) =>
        context.supplies.use(() =>
          turns.run("publish", async () => {
            const { serial, changed, entry } = await publish(folder, content, facts, key, CHECKS[kind], work);
            const { name, url: file, sha256, size } = entry;
            return { published: { name, serial, changed, file, sha256, size_bytes: size } };
          }),
        ),
      );
    },
    verifyStored: async ({ body: { kind, name: ref } }) => {
      const { name, isWhole } = await stored(kind, ref);
      return operations.start("verify", name, (work) =>
        context.supplies.use(async () => {
          work.report.stage("checking", name);
          if (await isWhole(work.signal)) return;
          throw BangerError.of("stored_damaged", { kind, name });
        }),
      );
    },
  };
}

const CHECKS: Readonly<Record<Kind, CheckBundle>> = {
  image: checkImageBundle,
  kernel: checkKernelBundle,
};

/** What stands in an entry: the kernel of an image, the release of a kernel. */
function kernelOf({ details: { kernel, release } }: BundleContent): string {
  return String(kernel ?? release ?? "");
}

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
