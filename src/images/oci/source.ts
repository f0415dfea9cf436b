/** Registries as a source of images. */
import type { Work } from "../../core/stage.ts";
import type { ContentStore } from "../../host/content-store.ts";
import { hashParts } from "../../host/hash.ts";
import { Manifest } from "../manifest.ts";
import { assembleImage } from "./assemble.ts";
import type { LayerStore } from "./layer-store.ts";
import { fetchImage } from "./pull.ts";
import { familiarName, type Reference } from "./reference.ts";
import type { RegistryOptions } from "./registry.ts";
import { settingsOf } from "./settings.ts";

export { isCurrent } from "./pull.ts";

interface Request {
  readonly reference: Reference;
  readonly images: ContentStore<Manifest>;
  readonly layers: LayerStore;
  /** The image here that came from a digest of the registry's. */
  readonly known: (origin: string) => Promise<Manifest | null>;
  readonly registry: RegistryOptions;
}

/** Obtains an image, unless its digest is here already under another name. @throws as `fetchImage` and `assembleImage` */
export async function makeFromRegistry(request: Request, work: Work): Promise<Manifest> {
  const { reference, images, layers } = request;
  const fetched = await fetchImage(reference, layers, work, request.known, request.registry);
  if (!("layers" in fetched)) return fetched;
  const name = familiarName(reference);
  const { env, run } = settingsOf(fetched.config);
  return images.add(async (folder) => {
    const assembly = { ref: name, layers: fetched.layers, folder: run.workingDirectory };
    const rootfs = await assembleImage(assembly, layers, folder, work);
    // Two images may have the same files and differ in what they run.
    const digest = hashParts([
      ["rootfs", rootfs.digest],
      ["settings", JSON.stringify({ env, run })],
    ]);
    const manifest = Manifest.parse({
      layout: 1,
      name,
      digest,
      description: `from ${reference.registry}`,
      source: "registry",
      origin: fetched.digest,
      init: null,
      env,
      run,
      sizeBytes: rootfs.sizeBytes,
      createdAt: new Date().toISOString(),
    });
    return { digest, manifest };
  });
}
