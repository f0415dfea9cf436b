/** The kernels on this host: `<state>/kernels/<digest>/{vmlinuz,modules.squashfs,boot/*.ko,manifest.json}`. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { ContentStore, type StoredPart } from "../host/content-store.ts";
import type { Paths } from "../host/paths.ts";
import { SharedWork } from "../host/shared-work.ts";
import { requireTools } from "../host/tools.ts";
import { DEBIAN_CLOUD, fetchDebianCloud } from "./debian-cloud.ts";
import { PACK_VERSION } from "./pack.ts";

const Manifest = z.object({
  layout: z.literal(PACK_VERSION),
  name: z.string().max(64),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  release: z.string().regex(/^[\w.+~-]{1,128}$/),
  packageName: z.string().max(128),
  packageVersion: z.string().max(128),
  source: z.literal("apt"),
  bootModules: z.array(z.string().regex(/^[\w-]{1,64}\.ko$/)).max(256),
  sizeBytes: z.number().int().nonnegative(),
  createdAt: z.string().max(40),
});
type Manifest = z.infer<typeof Manifest>;

/** A kernel that can be booted; all paths are absolute and their files never change. */
export interface Kernel extends Readonly<Omit<Manifest, "layout" | "bootModules">> {
  /** bzImage. */
  readonly vmlinuz: string;
  /** squashfs whose root is what belongs at /lib/modules/<release>. */
  readonly modules: string;
  /** Modules to insert before init, in this order. */
  readonly bootModules: readonly string[];
}

/** A kernel that can be had. */
export interface AvailableKernel {
  readonly name: string;
  readonly description: string;
  readonly installed: boolean;
}

const AVAILABLE = [
  { name: DEBIAN_CLOUD, description: "Debian's cloud kernel, from this host's apt sources" },
];
export const DEFAULT_KERNEL = DEBIAN_CLOUD;

export class KernelStore {
  readonly #store: ContentStore<Manifest>;
  readonly #aptFolder: string;
  readonly #work = new SharedWork<Kernel>();

  constructor(options: { readonly paths: Paths }) {
    this.#store = new ContentStore(
      join(options.paths.state, "kernels"),
      (json) => Manifest.safeParse(json).data ?? null,
    );
    this.#aptFolder = join(options.paths.cache, "apt");
  }

  /** Kernels on this host. */
  async list(): Promise<Kernel[]> {
    return [...(await this.#store.list()).values()].map((manifest) => this.#kernel(manifest));
  }

  /** What each takes on disk. */
  parts(): Promise<StoredPart[]> {
    return this.#store.parts();
  }

  /** Removes one for good; the caller sees to it that nothing uses it. */
  discard(digest: string): Promise<void> {
    return this.#store.remove(digest);
  }

  /** Kernels that `ensure` can get. */
  async listAvailable(): Promise<AvailableKernel[]> {
    return Promise.all(
      AVAILABLE.map(async (entry) => ({ ...entry, installed: (await this.#byName(entry.name)) !== null })),
    );
  }

  /** The kernel of a digest, as recorded by a VM. @throws kernel_not_found */
  async get(digest: string): Promise<Kernel> {
    const manifest = await this.#store.get(digest);
    if (!manifest) throw BangerError.of("kernel_not_found", { ref: digest });
    return this.#kernel(manifest);
  }

  /**
   * The kernel of a name, obtained when it is not here yet. Asked for twice at once it is obtained once.
   * @throws kernel_not_found | kernel_fetch_failed | host_packages_missing
   */
  async ensure(name: string, work: Work): Promise<Kernel> {
    return (await this.#byName(name)) ?? this.pull(name, work);
  }

  /** Obtains the newest kernel of a name, also when there is one. @throws as `ensure` */
  async pull(name: string, work: Work): Promise<Kernel> {
    if (!AVAILABLE.some((entry) => entry.name === name))
      throw BangerError.of("kernel_not_found", { ref: name });
    return this.#work.run(name, work, (shared) => this.#fetch(name, shared));
  }

  async #fetch(name: string, work: Work): Promise<Kernel> {
    await requireTools("kernel");
    const manifest = await this.#store.add(async (folder) => {
      const fetched = await fetchDebianCloud(folder, this.#aptFolder, work);
      await rm(join(folder, ".tmp-unpack"), { recursive: true, force: true });
      return {
        digest: fetched.digest,
        manifest: {
          layout: PACK_VERSION,
          name,
          digest: fetched.digest,
          release: fetched.release,
          packageName: fetched.packageName,
          packageVersion: fetched.packageVersion,
          source: "apt" as const,
          bootModules: [...fetched.bootModules],
          sizeBytes: fetched.sizeBytes,
          createdAt: new Date().toISOString(),
        },
      };
    });
    await this.#store.setName(name, { digest: manifest.digest, inputs: manifest.packageVersion });
    return this.#kernel(manifest);
  }

  async #byName(name: string): Promise<Kernel | null> {
    const entry = (await this.#store.names()).get(name);
    const manifest = entry ? await this.#store.get(entry.digest) : null;
    return manifest && this.#kernel(manifest);
  }

  #kernel({ layout: _, bootModules, ...manifest }: Manifest): Kernel {
    const folder = this.#store.path(manifest.digest);
    return {
      ...manifest,
      vmlinuz: join(folder, "vmlinuz"),
      modules: join(folder, "modules.squashfs"),
      bootModules: bootModules.map((file) => join(folder, "boot", file)),
    };
  }
}
