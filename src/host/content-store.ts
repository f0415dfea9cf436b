/**
 * A folder of finished things, each in a folder named by its digest, with a small index from names to digests:
 *
 *     names.json                 {"version":1,"names":{"debian-cloud":{"digest":"…","inputs":"…"}}}
 *     <64 hex digits>/           complete, never changed; manifest.json describes it
 *     .tmp-*                     being made, or left by a crash; removed by reconcile
 */
import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import { allocatedBytes } from "./disk-usage.ts";
import { exists, privateDirectory, syncTree, writeFileAtomic } from "./files.ts";

const DIGEST = /^[0-9a-f]{64}$/;
const TEMPORARY = ".tmp-";
const MAX_JSON = 1024 * 1024;

/** What a name stands for. `inputs` is a digest of what it was made from, to see when it is stale. */
export interface NameEntry {
  readonly digest: string;
  readonly inputs: string;
}

/** What an entry takes. */
export interface StoredPart {
  readonly digest: string;
  /** A name stands for it; otherwise a newer one of its name has taken its place. */
  readonly current: boolean;
  /** Allocated on disk. */
  readonly bytes: number;
}

export class ContentStore<Manifest> {
  readonly folder: string;
  readonly #parse: (json: unknown) => Manifest | null;
  #writing: Promise<unknown> = Promise.resolve();

  /** @param parse turns manifest.json into a manifest, or null when it is of another layout */
  constructor(folder: string, parse: (json: unknown) => Manifest | null) {
    this.folder = folder;
    this.#parse = parse;
  }

  /** Folder of an entry, whether it exists or not. */
  path(digest: string): string {
    if (!DIGEST.test(digest)) throw new Error("not a digest");
    return join(this.folder, digest);
  }

  /** The manifest of a digest; null when there is none or it cannot be read. */
  async get(digest: string): Promise<Manifest | null> {
    if (!DIGEST.test(digest)) return null;
    const json = await readJson(join(this.path(digest), "manifest.json"));
    return json === null ? null : this.#parse(json);
  }

  /** All entries that can be read, by digest. */
  async list(): Promise<Map<string, Manifest>> {
    const found = new Map<string, Manifest>();
    const names = await readdir(this.folder).catch(() => [] as string[]);
    for (const digest of names.filter((name) => DIGEST.test(name)).sort()) {
      const manifest = await this.get(digest);
      if (manifest) found.set(digest, manifest);
    }
    return found;
  }

  /** The index of names. */
  async names(): Promise<ReadonlyMap<string, NameEntry>> {
    const json = (await readJson(join(this.folder, "names.json"))) as {
      names?: Record<string, NameEntry>;
    } | null;
    return new Map(
      Object.entries(json?.names ?? {}).filter(
        ([, entry]) => DIGEST.test(entry?.digest ?? "") && typeof entry.inputs === "string",
      ),
    );
  }

  /** Lets a name stand for a digest, or forgets it when `entry` is null. */
  async setName(name: string, entry: NameEntry | null): Promise<void> {
    const write = this.#writing.then(async () => {
      const names = new Map(await this.names());
      if (entry) names.set(name, { digest: entry.digest, inputs: entry.inputs });
      else names.delete(name);
      const sorted = Object.fromEntries([...names].sort(([a], [b]) => (a < b ? -1 : 1)));
      const text = `${JSON.stringify({ version: 1, names: sorted }, null, 2)}\n`;
      await writeFileAtomic(join(this.folder, "names.json"), text);
    });
    this.#writing = write.catch(() => {});
    await write;
  }

  /**
   * Gives `make` an empty folder to fill, then puts it in place under the digest that `make` returns. manifest.json is
   * written last, by this. When the digest exists already the new copy is dropped. On failure nothing is left.
   */
  async add(make: (folder: string) => Promise<{ digest: string; manifest: Manifest }>): Promise<Manifest> {
    await privateDirectory(this.folder);
    const temporary = join(this.folder, `${TEMPORARY}${randomBytes(8).toString("hex")}`);
    await mkdir(temporary, { mode: 0o700 });
    checkpoint("store.begun");
    try {
      const { digest, manifest } = await make(temporary);
      checkpoint("store.filled");
      const target = this.path(digest);
      const known = await this.get(digest);
      if (known) return known;
      await writeFileAtomic(join(temporary, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
      await syncTree(temporary);
      // An unreadable entry (an older layout of the same content) gives way to this one.
      if (await exists(target)) await rm(target, { recursive: true, force: true });
      await rename(temporary, target).catch(async (error: unknown) => {
        // Another process may have been faster; equal digest means equal content.
        if (!(await this.get(digest))) throw error;
      });
      checkpoint("store.placed");
      return manifest;
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** Folders of entries that are being made or removed, or were when a daemon died. */
  async unfinished(): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => [] as string[]);
    return names.filter((name) => name.startsWith(TEMPORARY)).map((name) => join(this.folder, name));
  }

  /** Writes the manifest of an entry anew. What the digest stands for stays what it is. */
  async describe(digest: string, manifest: Manifest): Promise<void> {
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    await writeFileAtomic(join(this.path(digest), "manifest.json"), text);
  }

  /** Everything here that is complete, also what cannot be read any more (of another layout). */
  async parts(): Promise<StoredPart[]> {
    const folders = await readdir(this.folder).catch(() => [] as string[]);
    const current = new Set([...(await this.names()).values()].map((entry) => entry.digest));
    return Promise.all(
      folders
        .filter((name) => DIGEST.test(name))
        .sort()
        .map(async (digest) => ({
          digest,
          current: current.has(digest) && (await this.get(digest)) !== null,
          bytes: await allocatedBytes(this.path(digest)),
        })),
    );
  }

  /** Removes an entry and every name that stands for it. Cut off, it leaves a temporary folder at most. */
  async remove(digest: string): Promise<void> {
    for (const [name, entry] of await this.names()) {
      if (entry.digest === digest) await this.setName(name, null);
    }
    const doomed = join(this.folder, `${TEMPORARY}removed-${digest}`);
    await rename(this.path(digest), doomed).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rm(doomed, { recursive: true, force: true });
  }
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw BangerError.of("state_unreadable", { path, reason: error.message }, { cause: error });
  });
  if (text === null || text.length > MAX_JSON) return null;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return null;
  }
}
