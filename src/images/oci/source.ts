/** Registries and files of this host as sources of images. */
import type { Work } from "../../core/stage.ts";
import type { ContentStore } from "../../host/content-store.ts";
import { contentDigest } from "../bundle.ts";
import { Manifest } from "../manifest.ts";
import { assembleImage } from "./assemble.ts";
import type { Layer, LayerStore } from "./layer-store.ts";
import { openLocalImage, shownPath } from "./local.ts";
import { type Config, checkContents } from "./manifest.ts";
import { fetchImage, refusal } from "./pull.ts";
import { familiarName, type Reference } from "./reference.ts";
import type { RegistryOptions } from "./registry.ts";
import { settingsOf } from "./settings.ts";

export { isCurrent } from "./pull.ts";

/** Where images and layers are kept. */
export interface Stores {
  readonly images: ContentStore<Manifest>;
  readonly layers: LayerStore;
}

/** The image here that has an origin, or null. */
export type Known = (origin: string) => Promise<Manifest | null>;

/** Obtains an image, unless its digest is here already under another name. @throws as `fetchImage` and `assembleImage` */
export async function makeFromRegistry(
  reference: Reference,
  stores: Stores,
  known: Known,
  work: Work,
  options: RegistryOptions,
): Promise<Manifest> {
  const fetched = await fetchImage(reference, stores.layers, work, known, options);
  if (!("layers" in fetched)) return fetched;
  const { digest: origin, config, layers } = fetched;
  const description = `from ${reference.registry}`;
  return publish(
    { name: familiarName(reference), source: "registry", origin, description, config, layers },
    stores,
    work,
  );
}

/** A file or folder to make an image of. */
export interface ImportRequest {
  readonly path: string;
  /** Which of several images in it; null when there is one. */
  readonly tag: string | null;
  /** The name it gets; null for the one it carries. */
  readonly name: string | null;
}

/**
 * Makes an image of a file or folder of this host, which stays as it is.
 * @param nameOf checks and completes the name; gets null when neither the request nor the file has one
 * @throws image_refused | what `assembleImage` and `nameOf` throw
 */
export async function makeFromFile(
  request: ImportRequest,
  nameOf: (name: string | null) => string,
  stores: Stores,
  work: Work,
): Promise<{ name: string; manifest: Manifest }> {
  const { path, tag } = request;
  try {
    const local = await openLocalImage(path, tag, work);
    const name = nameOf(request.name ?? local.name);
    const layers = await local.layers(stores.layers, work);
    if (local.config) checkContents(local.config, layers);
    const { config, origin } = local;
    const manifest = await publish(
      { name, source: "import", origin, description: "imported", config, layers },
      stores,
      work,
    );
    // A root filesystem is nobody else's layer.
    if (!config) for (const layer of layers) await stores.layers.discard(layer);
    return { name, manifest };
  } catch (error) {
    work.signal.throwIfAborted();
    throw refusal(shownPath(path), error);
  }
}

interface Publication extends Pick<Manifest, "name" | "source" | "origin" | "description"> {
  readonly config: Config | null;
  readonly layers: readonly Layer[];
}

async function publish(
  publication: Publication,
  { images, layers: store }: Stores,
  work: Work,
): Promise<Manifest> {
  const { config, layers, ...facts } = publication;
  const settings = settingsOf(config);
  return images.add(async (folder) => {
    const assembly = { ref: facts.name, layers, folder: settings.run.workingDirectory };
    const rootfs = await assembleImage(assembly, store, folder, work);
    const digest = contentDigest(rootfs.digest, settings);
    const manifest = Manifest.parse({
      layout: 1,
      ...facts,
      ...settings,
      digest,
      init: null,
      sizeBytes: rootfs.sizeBytes,
      createdAt: new Date().toISOString(),
    });
    return { digest, manifest };
  });
}
