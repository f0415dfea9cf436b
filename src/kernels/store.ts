/** The kernels on this host: `<state>/kernels/<digest>/{vmlinuz,modules.squashfs,boot/*.ko,config,manifest.json}`. */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { Catalogs, type Offer } from "../catalog/catalogs.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { ContentStore, type StoredPart } from "../host/content-store.ts";
import type { Paths } from "../host/paths.ts";
import { ProcessError } from "../host/run.ts";
import { SharedWork } from "../host/shared-work.ts";
import { requireTools } from "../host/tools.ts";
import { installKernel } from "./bundle.ts";
import { DEBIAN_CLOUD, type FetchedKernel, fetchDebianCloud } from "./debian-cloud.ts";
import { UnusableKernel } from "./image/unusable.ts";
import { importKernel, type KernelSource } from "./import.ts";
import { ENTRY, PACK_VERSION, type PackedKernel } from "./pack.ts";

/** How a kernel is called: as it is typed behind --kernel. */
const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;

const Manifest = z.object({
  layout: z.literal(PACK_VERSION),
  name: z.string().max(64),
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  release: z.string().regex(/^[\w.+~-]{1,128}$/),
  packageName: z.string().max(128).default(""),
  packageVersion: z.string().max(128).default(""),
  source: z.enum(["apt", "import", "catalog"]),
  /** False: everything is built in. */
  modules: z.boolean().default(true),
  config: z.boolean().default(false),
  bootModules: z.array(z.string().regex(/^[\w-]{1,64}\.ko$/)).max(256),
  sizeBytes: z.number().int().nonnegative(),
  createdAt: z.string().max(40),
});
type Manifest = z.infer<typeof Manifest>;

/** A kernel that can be booted; all paths are absolute and their files never change. */
export interface Kernel extends Readonly<Omit<Manifest, "layout" | "bootModules" | "modules" | "config">> {
  /** bzImage, or ELF. */
  readonly vmlinuz: string;
  /** squashfs whose root is what belongs at /lib/modules/<release>; null when everything is built in. */
  readonly modules: string | null;
  /** What it was built with, where it is known. */
  readonly config: string | null;
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
  readonly #catalogs: Catalogs;
  readonly #work = new SharedWork<Kernel>();

  /** @param options without `catalogs` there are none */
  constructor(options: { readonly paths: Paths; readonly catalogs?: Catalogs }) {
    this.#catalogs = options.catalogs ?? new Catalogs({ paths: options.paths, sources: () => [] });
    this.#store = new ContentStore(
      join(options.paths.state, "kernels"),
      (json) => Manifest.safeParse(json).data ?? null,
    );
    this.#aptFolder = join(options.paths.cache, "apt");
  }

  /** Kernels on this host: each under every name that stands for it, or under its first one when none does any more. */
  async list(): Promise<Kernel[]> {
    const names = [...(await this.#store.names())];
    return [...(await this.#store.list()).values()].flatMap((manifest) => {
      const own = names.filter(([, entry]) => entry.digest === manifest.digest).map(([name]) => name);
      return (own.length > 0 ? own : [manifest.name]).map((name) => this.#kernel(manifest, name));
    });
  }

  /** A kernel to try KVM with: one that is known to boot before one of the user's making. */
  async forProof(): Promise<Kernel | null> {
    const kernels = await this.list();
    return kernels.find(({ source }) => source === "apt") ?? kernels[0] ?? null;
  }

  /** What each takes on disk. */
  parts(): Promise<StoredPart[]> {
    return this.#store.parts();
  }

  /** Removes one for good; the caller sees to it that nothing uses it. */
  discard(digest: string): Promise<void> {
    return this.#store.remove(digest);
  }

  /** Kernels that `ensure` can get: banger's own, and those of catalogs as they were last fetched. */
  async listAvailable(): Promise<AvailableKernel[]> {
    const own = AVAILABLE.map(async (entry) => ({
      ...entry,
      installed: (await this.#here(entry.name)) !== null,
    }));
    const offers = (await this.#catalogs.offers("kernel")).filter(({ name }) => !isOwn(name));
    const others = offers.map(async (offer) => ({
      name: offer.name,
      description: offer.description || `from ${offer.catalog}`,
      installed: (await this.#ofOffer(offer)) !== null,
    }));
    return Promise.all([...own, ...others]);
  }

  /** The kernel of a digest, as recorded by a VM. @throws kernel_not_found */
  async get(digest: string): Promise<Kernel> {
    const manifest = await this.#store.get(digest);
    if (!manifest) throw BangerError.of("kernel_not_found", { ref: digest });
    return this.#kernel(manifest);
  }

  /** A kernel that is here: by name, by digest, or by a unique beginning of its digest. @throws kernel_not_found */
  async find(ref: string): Promise<Kernel> {
    const kernel = await this.#here(ref);
    if (!kernel) throw BangerError.of("kernel_not_found", { ref });
    return kernel;
  }

  /**
   * The kernel that a name or a digest stands for, obtained when it is not here yet. Asked for twice at once it is obtained once.
   * @throws kernel_not_found | kernel_fetch_failed | kernel_refused | host_packages_missing, and those of catalogs
   */
  async ensure(ref: string, work: Work): Promise<Kernel> {
    const here = await this.#here(ref);
    if (here) return here;
    if (isOwn(ref)) return this.#work.run(ref, work, (shared) => this.#fetch(ref, shared));
    const offer = await this.#catalogs.find("kernel", ref, work);
    if (!offer) throw BangerError.of("kernel_not_found", { ref });
    return this.#install(offer, work);
  }

  /** As `ensure`, but a catalog's kernel is obtained again when its catalog has another one by now. @throws catalog_entry_missing, and as `ensure` */
  async pull(name: string, work: Work): Promise<Kernel> {
    const here = await this.#here(name);
    if (here?.source !== "catalog" || here.name !== name) return this.ensure(name, work);
    const offer = await this.#catalogs.find("kernel", name, work);
    if (!offer) throw BangerError.of("catalog_entry_missing", { kind: "kernel", name });
    return (await this.#ofOffer(offer)) ?? this.#install(offer, work);
  }

  /**
   * Makes a kernel of files of this host and lets `name` stand for it, also where it stood for another one.
   * @throws invalid_argument | kernel_refused | host_packages_missing
   */
  async import(name: string, source: KernelSource, work: Work): Promise<Kernel> {
    checkName(name);
    return this.#add(name, "import", work, (folder, scratch) => importKernel(source, folder, scratch, work));
  }

  /** Forgets a name when others stand for its kernel, too. @returns false when it is the only one: nothing was done then */
  async forget({ name, digest }: Kernel): Promise<boolean> {
    const others = [...(await this.#store.names())].filter(
      ([other, entry]) => entry.digest === digest && other !== name,
    );
    if (others.length === 0) return false;
    await this.#store.setName(name, null);
    return true;
  }

  async #fetch(name: string, work: Work): Promise<Kernel> {
    await requireTools("kernel");
    return this.#add(name, "apt", work, (folder, scratch) =>
      fetchDebianCloud(folder, scratch, this.#aptFolder, work),
    );
  }

  #install(offer: Offer, work: Work): Promise<Kernel> {
    const { name, sha256 } = offer;
    return this.#work.run(`bundle ${sha256}`, work, (shared) =>
      this.#add(
        name,
        "catalog",
        shared,
        (folder, scratch) => installKernel(offer, this.#catalogs, folder, scratch, shared),
        sha256,
      ),
    );
  }

  /** The kernel of an entry, when it is here under its name. */
  async #ofOffer({ name, sha256 }: Offer): Promise<Kernel | null> {
    const entry = (await this.#store.names()).get(name);
    const manifest = entry?.inputs === sha256 ? await this.#store.get(entry.digest) : null;
    return manifest && this.#kernel(manifest, name);
  }

  /**
   * @param make fills a folder; what lies in its scratch folder is removed
   * @param inputs what tells later whether it is stale
   * @throws kernel_refused, and what `make` throws
   */
  async #add(
    name: string,
    source: Manifest["source"],
    work: Work,
    make: (folder: string, scratch: string) => Promise<PackedKernel & Partial<FetchedKernel>>,
    inputs = "",
  ): Promise<Kernel> {
    const manifest = await this.#store
      .add(async (folder) => {
        const scratch = join(folder, ".tmp-unpack");
        await mkdir(scratch, { mode: 0o700 });
        const made = await make(folder, scratch);
        await rm(scratch, { recursive: true, force: true });
        work.signal.throwIfAborted();
        const created = { layout: PACK_VERSION, name, source, createdAt: new Date().toISOString() };
        return { digest: made.digest, manifest: Manifest.parse({ ...created, ...made }) };
      })
      .catch((error: unknown) => {
        work.signal.throwIfAborted();
        throw refusal(name, error);
      });
    await this.#store.setName(name, {
      digest: manifest.digest,
      inputs: inputs || manifest.packageVersion || manifest.digest,
    });
    return this.#kernel(manifest, name);
  }

  async #here(ref: string): Promise<Kernel | null> {
    const entry = (await this.#store.names()).get(ref);
    const named = entry && (await this.#store.get(entry.digest));
    if (named) return this.#kernel(named, ref);
    if (!/^[0-9a-f]{6,64}$/.test(ref)) return null;
    const found = (await this.list()).filter(({ digest }) => digest.startsWith(ref));
    return new Set(found.map(({ digest }) => digest)).size === 1 ? (found[0] ?? null) : null;
  }

  #kernel({ layout: _, bootModules, modules, config, ...manifest }: Manifest, name = manifest.name): Kernel {
    const at = (file: string) => join(this.#store.path(manifest.digest), file);
    return {
      ...manifest,
      name,
      vmlinuz: at(ENTRY.image),
      modules: modules ? at(ENTRY.modules) : null,
      config: config ? at(ENTRY.config) : null,
      bootModules: bootModules.map((file) => join(at(ENTRY.boot), file)),
    };
  }
}

/** Whether banger obtains it itself, whatever catalogs say. */
const isOwn = (name: string): boolean => AVAILABLE.some((entry) => entry.name === name);

/** What is wrong with a kernel, as an error for people; other errors stay what they are. */
function refusal(name: string, error: unknown): unknown {
  const problem =
    error instanceof UnusableKernel
      ? error.message
      : error instanceof ProcessError && `${error.program}: ${error.lastLine}`;
  return problem ? BangerError.of("kernel_refused", { name, problem }, { cause: error }) : error;
}

function checkName(name: string): void {
  const refused = (problem: string) =>
    BangerError.of("invalid_argument", {
      what: "name of a kernel",
      problem,
      accepted: "give a name such as generic: small letters, digits, . _ -",
    });
  if (!NAME.test(name)) throw refused(`'${name}' cannot be one`);
  if (isOwn(name)) throw refused(`'${name}' stands for what 'banger kernel pull ${name}' obtains`);
}
