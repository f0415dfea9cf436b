/** Bundles and catalogs as files: for who hands out images and kernels. The folder can be copied to any static host as it is. */
import type { KeyObject } from "node:crypto";
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asBangerError, BangerError } from "../core/errors.ts";
import { publicKeyLine } from "../core/public-key.ts";
import type { Work } from "../core/stage.ts";
import { publishFile, temporaryName } from "../host/files.ts";
import { type BundleContent, type BundleManifest, writeBundle } from "./bundle.ts";
import { verifyCatalog } from "./catalogs.ts";
import { type Catalog, type Entry, isEntryName, MAX_CATALOG } from "./document.ts";
import type { SigningKey } from "./keys.ts";
import { isSigned, signBytes } from "./signature.ts";
import { readBundle } from "./unbundle.ts";

export const CATALOG = "catalog.json";
/** Other users, such as a web server, may read what is published, whatever the umask. */
const PUBLIC_FILE = 0o644;
const PUBLIC_FOLDER = 0o755;

/** Checks what a store says about a bundle's content. @throws bundle_malformed */
export type CheckBundle = (bundle: BundleManifest) => void;

/** A bundle in a folder. */
export interface BundleFile {
  readonly path: string;
  readonly file: string;
  readonly sha256: string;
  readonly size: number;
}

/**
 * Writes a bundle into a folder, under a name that tells its content. It is read back and checked before it gets that name;
 * one that is there already stays.
 * @throws invalid_argument | bundle_failed | bundle_malformed
 */
export async function bundleInto(
  folder: string,
  content: BundleContent,
  check: CheckBundle,
  work: Work,
): Promise<BundleFile> {
  const { name } = content;
  if (!isEntryName(name)) throw unusableName(name);
  const temporary = temporaryName(join(folder, name));
  work.report.stage("bundling", name);
  try {
    await publicFolder(folder);
    const written = await writeBundle(content, temporary, work.signal, (done, total) =>
      work.report.progress({ done, total, unit: "bytes" }),
    );
    work.report.stage("checking", name);
    check(await readBundle(temporary, content, null, work.signal));
    const file = `${name}-${written.sha256}.tar.zst`;
    const path = join(folder, file);
    await chmod(temporary, PUBLIC_FILE);
    await rename(temporary, path);
    return { path, file, ...written };
  } catch (error) {
    await rm(temporary, { force: true });
    work.signal.throwIfAborted();
    if (error instanceof BangerError || !(error as NodeJS.ErrnoException).code) throw error;
    throw failed(name, folder, error);
  }
}

/** What of an entry the bundle itself does not tell. */
export type EntryFacts = Pick<Entry, "distro" | "kernel" | "description">;

/** What came of a publication. */
export interface Published {
  readonly serial: number;
  /** False: the catalog had exactly this already. */
  readonly changed: boolean;
  readonly entry: Entry;
}

/**
 * Puts a bundle and its entry into the catalog of a folder, which is made when there is none. The catalog verifies at every
 * moment, also when this is cut off.
 * @throws as `bundleInto`; catalog_signature_invalid when the catalog there is not this key's | catalog_malformed
 */
export async function publish(
  folder: string,
  content: BundleContent,
  facts: EntryFacts,
  key: SigningKey,
  check: CheckBundle,
  work: Work,
): Promise<Published> {
  const before = await readCatalog(folder, key.public);
  const { file, sha256, size } = await bundleInto(folder, content, check, work);
  const { kind, name, arch } = content;
  const entry: Entry = { kind, name, arch, ...facts, url: file, sha256, size };
  const entries = before?.catalog.entries ?? [];
  const former = entries.find((one) => isSameName(one, entry));
  if (before && former && JSON.stringify(former) === JSON.stringify(inOrder(entry))) {
    return { serial: before.catalog.serial, changed: false, entry };
  }
  const catalog: Catalog = {
    version: 1,
    serial: (before?.catalog.serial ?? 0) + 1,
    updated: new Date().toISOString(),
    entries: [...entries.filter((one) => !isSameName(one, entry)), inOrder(entry)].sort(byName),
  };
  work.report.stage("signing", `serial ${catalog.serial}`);
  try {
    await writeCatalog(folder, catalog, key, before?.signature ?? "");
  } catch (error) {
    throw error instanceof BangerError ? error : failed(name, folder, error);
  }
  return { serial: catalog.serial, changed: true, entry };
}

const isSameName = (a: Entry, b: Entry) => a.kind === b.kind && a.name === b.name && a.arch === b.arch;
const byName = (a: Entry, b: Entry) =>
  `${a.kind} ${a.name} ${a.arch}` < `${b.kind} ${b.name} ${b.arch}` ? -1 : 1;

/** The order in which a catalog that was read has the fields. */
function inOrder({ kind, name, distro, arch, kernel, url, sha256, size, description }: Entry): Entry {
  return { kind, name, distro, arch, kernel, url, sha256, size, description };
}

/** While the two files are exchanged, the signature file has the new and the former signature. */
async function writeCatalog(
  folder: string,
  catalog: Catalog,
  key: SigningKey,
  former: string,
): Promise<void> {
  const path = join(folder, CATALOG);
  const bytes = Buffer.from(`${JSON.stringify(catalog, null, 2)}\n`);
  if (bytes.length > MAX_CATALOG)
    throw BangerError.of("catalog_too_large", { url: folder, limit: MAX_CATALOG });
  const signature = signBytes(bytes, key.private);
  // What is signed is what clients will accept, or nothing is written.
  verifyCatalog({ url: folder, public_key: publicKeyLine(key.public) }, bytes, Buffer.from(signature));
  await writePublic(`${path}.sig`, `${signature}${former}`);
  await writePublic(path, bytes);
  await writePublic(`${path}.sig`, signature);
}

function writePublic(path: string, content: string | Buffer): Promise<void> {
  return publishFile(path, async (temporary) => {
    await writeFile(temporary, content, { flag: "wx" });
    await chmod(temporary, PUBLIC_FILE);
  });
}

/** What is there keeps its mode. */
async function publicFolder(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  if (made !== undefined) await chmod(path, PUBLIC_FOLDER);
}

/**
 * The catalog of a folder, checked, with the line of its signature that fits; null when there is none.
 * @throws catalog_unreachable | catalog_signature_invalid | catalog_malformed
 */
export async function readCatalog(
  folder: string,
  publicKey: KeyObject,
): Promise<{ readonly catalog: Catalog; readonly signature: string } | null> {
  const path = join(folder, CATALOG);
  const read = async (file: string) => {
    try {
      if ((await stat(file)).size > MAX_CATALOG) throw new Error(`it has more than ${MAX_CATALOG} bytes`);
      return await readFile(file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw BangerError.of(
        "catalog_unreachable",
        { url: path, reason: asBangerError(error).message },
        { cause: error },
      );
    }
  };
  const [bytes, signature] = [await read(path), await read(`${path}.sig`)];
  if (!bytes) return null;
  const source = { url: path, public_key: publicKeyLine(publicKey) };
  const catalog = verifyCatalog(source, bytes, signature ?? Buffer.alloc(0));
  const lines = (signature?.toString("latin1") ?? "").split("\n");
  const fitting = lines.find((line) => isSigned(bytes, line, publicKey));
  return { catalog, signature: `${fitting}\n` };
}

/** @throws invalid_argument always */
export function unusableName(name: string): BangerError {
  return BangerError.of("invalid_argument", {
    what: "name",
    problem: `'${name}' cannot stand in a catalog`,
    accepted: "give one of a-z, 0-9, dots, dashes and underscores with --as",
  });
}

function failed(name: string, path: string, error: unknown): BangerError {
  return BangerError.of("bundle_failed", { name, path, reason: (error as Error).message }, { cause: error });
}
