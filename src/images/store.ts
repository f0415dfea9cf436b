/** The images on this host: `<state>/images/<digest>/{rootfs.squashfs,manifest.json}`. */
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { ContentStore } from "../host/content-store.ts";
import type { Paths } from "../host/paths.ts";
import { SharedWork } from "../host/shared-work.ts";
import { buildImage, ROOTFS } from "./build.ts";
import { listRecipes, type Recipe, readRecipe } from "./recipe.ts";

const Manifest = z.object({
  layout: z.literal(1),
  name: z.string().max(255),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  description: z.string().max(200),
  source: z.literal("recipe"),
  init: z.string().startsWith("/").max(4096).nullable(),
  env: z.record(z.string(), z.string()),
  sizeBytes: z.number().int().nonnegative(),
  createdAt: z.string().max(40),
});
type Manifest = z.infer<typeof Manifest>;

/** An image that VMs can be made from; its files never change. */
export interface Image extends Readonly<Omit<Manifest, "layout">> {
  /** Path of the read-only root filesystem (squashfs). */
  readonly rootfs: string;
}

/** An image that can be had. */
export interface AvailableImage {
  readonly name: string;
  readonly description: string;
  readonly installed: boolean;
}

export class ImageStore {
  readonly #store: ContentStore<Manifest>;
  readonly #work = new SharedWork<Image>();

  constructor(options: { readonly paths: Paths }) {
    this.#store = new ContentStore(
      join(options.paths.state, "images"),
      (json) => Manifest.safeParse(json).data ?? null,
    );
  }

  /** Images on this host. */
  async list(): Promise<Image[]> {
    return [...(await this.#store.list()).values()].map((manifest) => this.#image(manifest));
  }

  /** Images that `ensure` can make. */
  async listAvailable(): Promise<AvailableImage[]> {
    const recipes = await listRecipes();
    return Promise.all(
      recipes.map(async (recipe) => ({
        name: recipe.name,
        description: recipe.description,
        installed: (await this.#current(recipe)) !== null,
      })),
    );
  }

  /** The image of a digest, as recorded by a VM. @throws image_not_found */
  async get(digest: string): Promise<Image> {
    const manifest = await this.#store.get(digest);
    if (!manifest) throw BangerError.of("image_not_found", { ref: digest });
    return this.#image(manifest);
  }

  /**
   * The image of a name, built when it is not here yet or its recipe has changed. Asked for twice at once it is built once.
   * @throws image_not_found | image_build_failed | host_packages_missing | no_space
   */
  async ensure(ref: string, work: Work): Promise<Image> {
    const recipe = await this.#recipe(ref);
    return (await this.#current(recipe)) ?? this.#build(recipe, work);
  }

  /** Builds the image of a name afresh, with today's packages. @throws as `ensure` */
  async pull(ref: string, work: Work): Promise<Image> {
    return this.#build(await this.#recipe(ref), work);
  }

  async #recipe(ref: string): Promise<Recipe> {
    const recipe = await readRecipe(ref);
    if (!recipe) throw BangerError.of("image_not_found", { ref });
    return recipe;
  }

  async #current(recipe: Recipe): Promise<Image | null> {
    const entry = (await this.#store.names()).get(recipe.name);
    const manifest = entry?.inputs === recipe.digest ? await this.#store.get(entry.digest) : null;
    return manifest && this.#image(manifest);
  }

  async #build(recipe: Recipe, work: Work): Promise<Image> {
    return this.#work.run(recipe.digest, work, async (shared) => {
      const manifest = await this.#store.add(async (folder) => {
        const built = await buildImage(recipe, folder, shared);
        return {
          digest: built.digest,
          manifest: {
            layout: 1 as const,
            name: recipe.name,
            digest: built.digest,
            description: recipe.description,
            source: "recipe" as const,
            init: recipe.init,
            env: recipe.env,
            sizeBytes: built.sizeBytes,
            createdAt: new Date().toISOString(),
          },
        };
      });
      await this.#store.setName(recipe.name, { digest: manifest.digest, inputs: recipe.digest });
      return this.#image(manifest);
    });
  }

  #image({ layout: _, ...manifest }: Manifest): Image {
    return { ...manifest, rootfs: join(this.#store.path(manifest.digest), ROOTFS) };
  }
}
