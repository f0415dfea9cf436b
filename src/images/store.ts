/** The images on this host: `<state>/images/<digest>/{rootfs.squashfs,manifest.json}` (the manifest alone of registered ones), and where others come from. */
import { join } from "node:path";
import { Catalogs, type Offer } from "../catalog/catalogs.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { ContentStore, type StoredPart } from "../host/content-store.ts";
import type { Paths } from "../host/paths.ts";
import { SharedWork } from "../host/shared-work.ts";
import { buildImage } from "./build.ts";
import { installImage } from "./bundle.ts";
import { type Image, Manifest } from "./manifest.ts";
import { naming, storedName } from "./names.ts";
import { LayerStore } from "./oci/layer-store.ts";
import { familiarName, parseReference } from "./oci/reference.ts";
import type { RegistryOptions } from "./oci/registry.ts";
import { type ImportRequest, isCurrent, makeFromFile, makeFromRegistry, type Stores } from "./oci/source.ts";
import { listRecipes, type Recipe, readRecipe } from "./recipe.ts";
import { promoteFile, registerFile, requireSame } from "./registered.ts";
import { ROOTFS } from "./squashfs.ts";

export type { Image } from "./manifest.ts";

/** An image that can be had. */
export interface AvailableImage {
  readonly name: string;
  readonly description: string;
  readonly installed: boolean;
}

export class ImageStore {
  readonly #store: ContentStore<Manifest>;
  readonly #stores: Stores;
  readonly #registry: RegistryOptions;
  readonly #catalogs: Catalogs;
  readonly #cache: string;
  readonly #work = new SharedWork<Image>();

  /** @param options without `catalogs` there are none */
  constructor(options: {
    readonly paths: Paths;
    readonly registry?: RegistryOptions;
    readonly catalogs?: Catalogs;
  }) {
    const { paths } = options;
    this.#catalogs = options.catalogs ?? new Catalogs({ paths, sources: () => [] });
    this.#store = new ContentStore(
      join(paths.state, "images"),
      (json) => Manifest.safeParse(json).data ?? null,
    );
    this.#stores = { images: this.#store, layers: new LayerStore(join(paths.cache, "layers")) };
    this.#registry = options.registry ?? {};
    this.#cache = paths.cache;
  }

  /** Images on this host: each under every name that stands for it, or under its first one when none does any more. */
  async list(): Promise<Image[]> {
    const names = [...(await this.#store.names())];
    return [...(await this.#store.list()).values()].flatMap((manifest) => {
      const own = names.filter(([, entry]) => entry.digest === manifest.digest).map(([name]) => name);
      return (own.length > 0 ? own : [manifest.name]).map((name) => this.#image(manifest, name));
    });
  }

  /** What each takes on disk. */
  parts(): Promise<StoredPart[]> {
    return this.#store.parts();
  }

  /** Removes one for good; the caller sees to it that nothing uses it. */
  discard(digest: string): Promise<void> {
    return this.#store.remove(digest);
  }

  /** Images that `ensure` can make without a registry: those of recipes, and of catalogs as they were last fetched. */
  async listAvailable(): Promise<AvailableImage[]> {
    const recipes = (await listRecipes()).map(async (recipe) => ({
      name: recipe.name,
      description: recipe.description,
      installed: (await this.#current(recipe)) !== null,
    }));
    const offers = (await this.#catalogs.offers("image")).map(async (offer) => ({
      name: offer.name,
      description: offer.description || `from ${offer.catalog}`,
      installed: (await this.#ofOffer(offer)) !== null,
    }));
    const all = await Promise.all([...recipes, ...offers]);
    // A name is the first one's that has it.
    return all.filter(({ name }, at) => all.findIndex((other) => other.name === name) === at);
  }

  /** The image of a digest, as recorded by a VM. @throws image_not_found */
  async get(digest: string): Promise<Image> {
    const manifest = await this.#store.get(digest);
    if (!manifest) throw BangerError.of("image_not_found", { ref: digest });
    return this.#image(manifest);
  }

  /** An image that is here: by name, by digest, or by a unique beginning of its digest. @throws image_not_found | image_ambiguous */
  async find(ref: string): Promise<Image> {
    const image = await this.#here(ref);
    if (!image) throw BangerError.of("image_not_found", { ref });
    return image;
  }

  /**
   * The image that a name stands for: one that is here, else a recipe's, a catalog's, a registry's. It is obtained when it is not
   * here yet or its recipe has changed; asked for twice at once it is obtained once. One that is here needs no network.
   * @throws invalid_argument | image_build_failed | host_packages_missing | no_space, and those of catalogs and registries
   */
  async ensure(ref: string, work: Work): Promise<Image> {
    const recipe = await readRecipe(ref);
    if (recipe) return (await this.#current(recipe)) ?? this.#build(recipe, work);
    const here = await this.#here(ref);
    if (here) return here;
    const offer = await this.#catalogs.find("image", ref, work);
    if (offer) return this.#install(offer, work);
    return this.#fetch(ref, work).catch((error) => notHere(ref, error));
  }

  /**
   * As `ensure`, but an image of a catalog or registry is obtained again when its name stands for another one by now.
   * @throws catalog_entry_missing, and as `ensure`
   */
  async pull(ref: string, work: Work): Promise<Image> {
    if (await readRecipe(ref)) return this.ensure(ref, work);
    const offer = await this.#catalogs.find("image", ref, work);
    if (offer) return (await this.#ofOffer(offer)) ?? this.#install(offer, work);
    const here = await this.#here(ref);
    if (here?.source === "catalog" && here.name === ref) {
      throw BangerError.of("catalog_entry_missing", { kind: "image", name: ref });
    }
    if (here && (await isCurrent(parseReference(ref), here.origin, work, this.#registry))) return here;
    return this.#fetch(ref, work);
  }

  /**
   * Makes an image of a file or folder of this host: a root filesystem's tar, an archive of docker or podman, an OCI layout.
   * @throws invalid_argument | image_refused | image_build_failed | host_packages_missing | no_space
   */
  async import(request: ImportRequest, work: Work): Promise<Image> {
    const nameOf = await naming();
    if (request.name !== null) nameOf(request.name);
    const { name, manifest } = await makeFromFile(request, nameOf, this.#stores, work);
    await this.#store.setName(name, { digest: manifest.digest, inputs: manifest.origin });
    return this.#image(manifest, name);
  }

  /**
   * Makes an image of a squashfs of this host, which is used where it lies. Registered again it may have moved or changed.
   * @throws invalid_argument | image_refused
   */
  async register(path: string, name: string, work: Work): Promise<Image> {
    const stored = (await naming())(name);
    const manifest = await registerFile(this.#store, path, stored, work);
    await this.#store.setName(stored, { digest: manifest.digest, inputs: manifest.digest });
    return this.#image(manifest, stored);
  }

  /**
   * Copies a registered image into the store, after which its file is not needed any more. VMs of it stay VMs of it.
   * @returns the image, also one that was in the store already
   * @throws image_not_found | image_changed | no_space
   */
  async promote(ref: string, work: Work): Promise<Image> {
    const image = await this.find(ref);
    return this.#work.run(`promote ${image.digest}`, work, async (shared) => {
      const manifest = await this.#store.get(image.digest);
      if (!manifest?.file) return image;
      return this.#image(await promoteFile(this.#store, manifest, shared), image.name);
    });
  }

  /** Passes for an image that can be booted. @throws image_changed for a registered one whose file is another one by now */
  async requireUnchanged({ name, file }: Image): Promise<void> {
    if (file) await requireSame(name, file);
  }

  /**
   * Forgets an image's name; its files go with the last one.
   * @param check called before files are removed; what it throws keeps everything
   * @returns whether they are
   */
  async remove({ name, digest }: Image, check: () => void): Promise<boolean> {
    const names = [...(await this.#store.names())].filter(([, entry]) => entry.digest === digest);
    if (names.some(([other]) => other !== name)) {
      await this.#store.setName(name, null);
      return false;
    }
    check();
    await this.#store.remove(digest);
    return true;
  }

  async #current(recipe: Recipe): Promise<Image | null> {
    const entry = (await this.#store.names()).get(recipe.name);
    const manifest = entry?.inputs === recipe.digest ? await this.#store.get(entry.digest) : null;
    return manifest && this.#image(manifest);
  }

  /** @throws image_ambiguous */
  async #here(ref: string): Promise<Image | null> {
    const names = await this.#store.names();
    const entry = names.get(ref) ?? names.get(storedName(ref));
    const named = entry && (await this.#store.get(entry.digest));
    if (named) return this.#image(named, names.has(ref) ? ref : storedName(ref));
    const hex = /^(?:sha256:)?([0-9a-f]{12,64})$/.exec(ref)?.[1];
    if (hex === undefined) return null;
    const found = [...(await this.#store.list()).values()].filter(({ digest }) => digest.startsWith(hex));
    if (found.length > 1) throw BangerError.of("image_ambiguous", { ref, count: found.length });
    return found[0] ? this.#image(found[0]) : null;
  }

  #build(recipe: Recipe, work: Work): Promise<Image> {
    return this.#work.run(recipe.digest, work, async (shared) => {
      const manifest = await this.#store.add(async (folder) => {
        const { digest, sizeBytes } = await buildImage(recipe, folder, this.#cache, shared);
        const { name, description, init, env } = recipe;
        const created = { layout: 1, source: "recipe", createdAt: new Date().toISOString() };
        return {
          digest,
          manifest: Manifest.parse({ ...created, name, digest, description, init, env, sizeBytes }),
        };
      });
      await this.#store.setName(recipe.name, { digest: manifest.digest, inputs: recipe.digest });
      return this.#image(manifest);
    });
  }

  /** The image of an entry, when it is here under its name. */
  async #ofOffer({ name, sha256 }: Offer): Promise<Image | null> {
    const entry = (await this.#store.names()).get(name);
    const manifest = entry?.inputs === sha256 ? await this.#store.get(entry.digest) : null;
    return manifest && this.#image(manifest, name);
  }

  #install(offer: Offer, work: Work): Promise<Image> {
    return this.#work.run(`bundle ${offer.sha256}`, work, async (shared) => {
      const manifest = await this.#store.add((folder) => installImage(offer, this.#catalogs, folder, shared));
      await this.#store.setName(offer.name, { digest: manifest.digest, inputs: offer.sha256 });
      return this.#image(manifest, offer.name);
    });
  }

  #fetch(ref: string, work: Work): Promise<Image> {
    const reference = parseReference(ref);
    const name = familiarName(reference);
    return this.#work.run(`registry ${name}`, work, async (shared) => {
      const known = async (origin: string) =>
        [...(await this.#store.list()).values()].find((each) => each.origin === origin) ?? null;
      const manifest = await makeFromRegistry(reference, this.#stores, known, shared, this.#registry);
      await this.#store.setName(name, { digest: manifest.digest, inputs: manifest.origin });
      return this.#image(manifest, name);
    });
  }

  #image({ layout: _, ...manifest }: Manifest, name = manifest.name): Image {
    const rootfs = manifest.file?.path ?? join(this.#store.path(manifest.digest), ROOTFS);
    return { ...manifest, name, rootfs };
  }
}

/** Whoever mistyped the name of an image that is here named no registry, and should not be told of one alone. */
function notHere(ref: string, error: BangerError): never {
  if (error.code !== "registry_unreachable" || ref.includes("/")) throw error;
  throw BangerError.of("image_not_here", { ref, reason: error.message }, { cause: error });
}
