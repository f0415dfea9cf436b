/** Checks a whole catalog, in a folder or on a server: its signature, its form, and every bundle. Nothing of it is kept. */
import type { KeyObject } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { isCatalogUrl } from "../core/catalog-source.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import { publicKeyLine } from "../core/public-key.ts";
import type { Work } from "../core/stage.ts";
import { hashFile } from "../host/hash.ts";
import { HttpClient } from "../host/http.ts";
import type { Paths } from "../host/paths.ts";
import type { BundleManifest } from "./bundle.ts";
import { fetchBundle, fetchCatalog, verifyCatalog } from "./catalogs.ts";
import type { Catalog, Entry, Kind } from "./document.ts";
import { CATALOG, type CheckBundle, readCatalog } from "./publish.ts";
import { readBundle } from "./unbundle.ts";

/** What is wrong with an entry's bundle, if anything. */
export interface CheckedEntry {
  readonly entry: Entry;
  readonly problem: BangerError | null;
}

/**
 * @param target a folder, or the address of a catalog.json
 * @throws catalog_* when the catalog itself is wrong; what is wrong with a bundle is told
 */
export async function verifyAll(
  target: string,
  key: KeyObject,
  checks: Readonly<Record<Kind, CheckBundle>>,
  paths: Paths,
  work: Work,
): Promise<{ readonly catalog: Catalog; readonly entries: readonly CheckedEntry[] }> {
  using http = new HttpClient();
  work.report.stage("reading the catalog", target);
  const remote = isCatalogUrl(target);
  const catalog = remote ? await fetched(target, key, http, work) : (await readCatalog(target, key))?.catalog;
  if (!catalog) {
    throw BangerError.of("catalog_unreachable", { url: target, reason: `there is no ${CATALOG} in it` });
  }
  const entries: CheckedEntry[] = [];
  for (const entry of catalog.entries) {
    const beside = !remote && /^[\w][\w.-]*$/.test(entry.url) ? join(target, entry.url) : null;
    const read = beside
      ? readLocal(beside, entry, work)
      : fetchBundle({ ...entry, catalog: target }, null, paths, http, work);
    const problem = await read.then(checks[entry.kind]).then(
      () => null,
      (error: unknown) => {
        work.signal.throwIfAborted();
        return asBangerError(error);
      },
    );
    entries.push({ entry, problem });
  }
  return { catalog, entries };
}

async function fetched(url: string, key: KeyObject, http: HttpClient, work: Work): Promise<Catalog> {
  const { bytes, signature } = await fetchCatalog(url, http, work);
  return verifyCatalog({ url, public_key: publicKeyLine(key) }, bytes, signature);
}

async function readLocal(url: string, entry: Entry, work: Work): Promise<BundleManifest> {
  work.report.stage("checking", entry.name);
  const found = await stat(url).catch((error: Error) => {
    throw BangerError.of("download_failed", { url, reason: error.message }, { cause: error });
  });
  const { size, sha256 } = entry;
  if (found.size !== size) throw BangerError.of("bundle_size_wrong", { url, found: found.size, size });
  const hash = await hashFile(url, work.signal);
  if (hash !== sha256) throw BangerError.of("bundle_hash_wrong", { url, found: hash, sha256 });
  return readBundle(url, entry, null, work.signal);
}
