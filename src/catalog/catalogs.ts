/**
 * The catalogs that config.toml names, as a client sees them: fetched, checked (signature, size, form, age), kept for when
 * they cannot be reached, and the bundles that they name.
 */
import { createHash, randomBytes } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import type { CatalogSource } from "../core/catalog-source.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import { parsePublicKey, publicKeyLine } from "../core/public-key.ts";
import type { Work } from "../core/stage.ts";
import { namedIfFull } from "../disk/free-space.ts";
import { privateDirectory, writeFileAtomic } from "../host/files.ts";
import { asHttpError, HttpClient, HttpError, readBody } from "../host/http.ts";
import type { Paths } from "../host/paths.ts";
import type { BundleManifest } from "./bundle.ts";
import {
  type Catalog,
  CatalogError,
  type Entry,
  hostArch,
  isEntryName,
  type Kind,
  MAX_CATALOG,
  parseCatalog,
} from "./document.ts";
import { download } from "./download.ts";
import { SeenCatalogs } from "./seen.ts";
import { isSigned, MAX_SIGNATURE } from "./signature.ts";
import { readBundle, wrongArchitecture } from "./unbundle.ts";

/** An entry, and the catalog that it stands in. */
export interface Offer extends Entry {
  readonly catalog: string;
}

/** How a catalog is. */
export interface CatalogState {
  readonly url: string;
  /** The one that is used; null when there is none. */
  readonly catalog: Catalog | null;
  /** Why the newest one is not used, or is not known. */
  readonly problem: BangerError | null;
}

export interface CatalogOptions {
  readonly paths: Paths;
  /** Those of config.toml as it is now. */
  readonly sources: () => readonly CatalogSource[];
  /** How long a server may send nothing. */
  readonly stallMs?: number;
}

export class Catalogs {
  readonly #options: CatalogOptions;
  readonly #seen: SeenCatalogs;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#seen = new SeenCatalogs(options.paths.state);
  }

  /** All catalogs, fetched. What is wrong with one is in its state. */
  refresh(work: Work): Promise<CatalogState[]> {
    return Promise.all(
      this.#options.sources().map(async (source) => {
        try {
          return { url: source.url, catalog: await this.#fetch(source, work), problem: null };
        } catch (error) {
          work.signal.throwIfAborted();
          return { url: source.url, catalog: await this.#kept(source), problem: asBangerError(error) };
        }
      }),
    );
  }

  /** All catalogs as they were last fetched; asks nobody. */
  async known(): Promise<CatalogState[]> {
    const states = this.#options.sources().map(async (source) => ({
      url: source.url,
      catalog: await this.#kept(source),
      problem: null,
    }));
    return Promise.all(states);
  }

  /** What this machine can use of a kind, by the catalogs as they were last fetched. The first catalog that has a name is meant. */
  async offers(kind: Kind): Promise<Offer[]> {
    const found = new Map<string, Offer>();
    for (const { url, catalog } of await this.known()) {
      for (const entry of catalog?.entries ?? []) {
        if (entry.kind !== kind || entry.arch !== hostArch() || found.has(entry.name)) continue;
        found.set(entry.name, { ...entry, catalog: url });
      }
    }
    return [...found.values()];
  }

  /**
   * The entry of a name in the first catalog that has it, by the catalogs as they are now; null when none has it. One that
   * cannot be reached is taken as it was, when it has the name; otherwise nobody knows, and that is an error: the name might
   * be another's elsewhere.
   * @throws catalog_* | bundle_architecture_wrong
   */
  async find(kind: Kind, name: string, work: Work): Promise<Offer | null> {
    if (!isEntryName(name)) return null;
    for (const source of this.#options.sources()) {
      work.report.stage("asking the catalog", source.url);
      const { catalog, problem } = await this.#newest(source, work);
      const named = catalog.entries.filter((entry) => entry.kind === kind && entry.name === name);
      const entry = named.find(({ arch }) => arch === hostArch());
      if (!entry && problem) throw problem;
      if (problem) work.report.notice(`${problem.message}; it is used as it was last seen`);
      if (entry) return { ...entry, catalog: source.url };
      const [other] = named;
      if (other) throw wrongArchitecture(other);
    }
    return null;
  }

  /**
   * Fetches the bundle of an entry and unpacks it into `folder`, which is empty: exactly the files that its manifest names.
   * Nothing of it is read before its sha256 is right.
   * @throws download_failed | bundle_* | no_space; what is in `folder` then is the caller's to remove
   */
  async fetch(offer: Offer, folder: string, work: Work): Promise<BundleManifest> {
    using http = new HttpClient(this.#options.stallMs);
    return fetchBundle(offer, folder, this.#options.paths, http, work);
  }

  async #newest(
    source: CatalogSource,
    work: Work,
  ): Promise<{ readonly catalog: Catalog; readonly problem: BangerError | null }> {
    try {
      return { catalog: await this.#fetch(source, work), problem: null };
    } catch (error) {
      work.signal.throwIfAborted();
      const problem = asBangerError(error);
      const catalog = problem.code === "catalog_unreachable" ? await this.#kept(source) : null;
      if (!catalog) throw problem;
      return { catalog, problem };
    }
  }

  async #fetch(source: CatalogSource, work: Work): Promise<Catalog> {
    using http = new HttpClient(this.#options.stallMs);
    const { bytes, signature } = await fetchCatalog(source.url, http, work);
    const catalog = await this.#checked(source, bytes, signature);
    const file = this.#file(source);
    await privateDirectory(join(file, ".."));
    await writeFileAtomic(`${file}.sig`, signature);
    await writeFileAtomic(file, bytes);
    await this.#seen.note(source.url, keyOf(source), catalog.serial);
    return catalog;
  }

  /** As it was last fetched; null when it never was, or would not be accepted any more: another key, a newer one was seen. */
  async #kept(source: CatalogSource): Promise<Catalog | null> {
    const file = this.#file(source);
    const [bytes, signature] = await Promise.all(
      [file, `${file}.sig`].map((path) => readFile(path).catch(() => null)),
    );
    if (!bytes || !signature) return null;
    return this.#checked(source, bytes, signature).catch(() => null);
  }

  /** @throws catalog_signature_invalid | catalog_malformed | catalog_downgraded */
  async #checked(source: CatalogSource, bytes: Buffer, signature: Buffer): Promise<Catalog> {
    const { url } = source;
    const catalog = verifyCatalog(source, bytes, signature);
    const seen = await this.#seen.serial(url, keyOf(source));
    if (catalog.serial < seen) {
      throw BangerError.of("catalog_downgraded", { url, serial: catalog.serial, seen });
    }
    return catalog;
  }

  #file({ url }: CatalogSource): string {
    const name = createHash("sha256").update(url).digest("hex").slice(0, 32);
    return join(this.#options.paths.cache, "catalogs", `${name}.json`);
  }
}

/** @param folder as in `Catalogs.fetch`; null: it is only checked. @throws as `Catalogs.fetch` */
export async function fetchBundle(
  offer: Offer,
  folder: string | null,
  paths: Pick<Paths, "cache">,
  http: HttpClient,
  work: Work,
): Promise<BundleManifest> {
  const { url, sha256, size, catalog, name } = offer;
  const downloads = join(paths.cache, "downloads");
  const target = join(downloads, `.tmp-${sha256}-${randomBytes(6).toString("hex")}`);
  try {
    work.report.stage("fetching", name);
    const address = URL.parse(url, catalog);
    if (!address) throw BangerError.of("download_failed", { url, reason: "it is no address" });
    await download({ url: address, sha256, size }, downloads, target, http, work);
    work.report.stage("unpacking", name);
    return await readBundle(target, offer, folder, work.signal);
  } catch (error) {
    throw await namedIfFull(error, folder ?? downloads, `${offer.kind} ${name}`);
  } finally {
    await rm(target, { force: true });
  }
}

/** The two files of a catalog, not checked yet. @throws catalog_unreachable | catalog_too_large | catalog_signature_invalid */
export async function fetchCatalog(
  url: string,
  http: HttpClient,
  work: Work,
): Promise<{ readonly bytes: Buffer; readonly signature: Buffer }> {
  const bytes = await fetchSmall(url, url, MAX_CATALOG, http, work);
  return { bytes, signature: await fetchSmall(`${url}.sig`, url, MAX_SIGNATURE, http, work) };
}

/** A catalog whose signature is its key's. @throws catalog_signature_invalid | catalog_malformed */
export function verifyCatalog(source: CatalogSource, bytes: Buffer, signature: Buffer): Catalog {
  const { url, public_key } = source;
  const key = parsePublicKey(public_key);
  if (!key || !isSigned(bytes, signature.toString("latin1"), key)) {
    const reason = signature.length === 0 ? "it is empty" : "another key's, or the catalog was changed";
    throw BangerError.of("catalog_signature_invalid", { url, reason });
  }
  try {
    return parseCatalog(bytes);
  } catch (error) {
    if (!(error instanceof CatalogError)) throw error;
    throw BangerError.of("catalog_malformed", { url, problem: error.message }, { cause: error });
  }
}

/** The key in one form, however it is written. */
function keyOf({ public_key }: CatalogSource): string {
  const key = parsePublicKey(public_key);
  return key ? publicKeyLine(key) : "";
}

async function fetchSmall(
  address: string,
  url: string,
  limit: number,
  http: HttpClient,
  work: Work,
): Promise<Buffer> {
  try {
    const answer = await http.ask(new URL(address), { signal: work.signal });
    if (answer.status !== 200) {
      answer.body.destroy();
      if (answer.status === 404 && address !== url) {
        throw BangerError.of("catalog_signature_invalid", { url, reason: `there is none at ${address}` });
      }
      throw new HttpError(`its server answers ${answer.status} for ${address}`, false);
    }
    const bytes = await readBody(answer, limit);
    answer.body.destroy();
    if (bytes === null) throw BangerError.of("catalog_too_large", { url, limit });
    return bytes;
  } catch (error) {
    work.signal.throwIfAborted();
    if (error instanceof BangerError) throw error;
    throw BangerError.of(
      "catalog_unreachable",
      { url, reason: asHttpError(error).message },
      { cause: error },
    );
  }
}
