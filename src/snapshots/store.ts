/**
 * The snapshots on this host:
 *
 *     <state>/snapshots/<id>/    complete, never changed: manifest.json, state.ext4, memory/
 *     <state>/snapshots/.tmp-*   being made, or left by a crash; removed when the daemon starts
 *
 * A folder is put in place before its record is written, and the record goes before the folder does: what is listed is whole.
 */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import { allocatedBytes } from "../host/disk-usage.ts";
import { privateDirectory, syncTree, temporaryName, writeFileAtomic } from "../host/files.ts";
import type { Paths } from "../host/paths.ts";
import type { SnapshotRepository } from "../store/snapshots.ts";
import { Manifest } from "./manifest.ts";

export const MANIFEST_FILE = "manifest.json";

export class SnapshotStore {
  readonly folder: string;
  readonly #records: SnapshotRepository;
  readonly #reserved = new Set<string>();
  readonly #used = new Map<string, number>();

  constructor(paths: Paths, records: SnapshotRepository) {
    this.folder = join(paths.state, "snapshots");
    this.#records = records;
  }

  /** All, oldest first. */
  list(): Manifest[] {
    return this.#records.list().flatMap(({ manifest }) => Manifest.safeParse(manifest).data ?? []);
  }

  /** By name or id. @throws snapshot_not_found */
  find(ref: string): Manifest {
    const found = this.list().find(({ id, name }) => name === ref || id === ref);
    if (!found) throw BangerError.of("snapshot_not_found", { ref });
    return found;
  }

  path(id: string): string {
    return join(this.folder, id);
  }

  /** What it takes on disk. */
  bytes(id: string): Promise<number> {
    return allocatedBytes(this.path(id));
  }

  /** @throws snapshot_name_taken */
  requireFree(name: string): void {
    if (this.#reserved.has(name) || this.#records.hasName(name))
      throw BangerError.of("snapshot_name_taken", { name });
  }

  /**
   * Gives `make` an empty folder to fill and puts what it made in place. On failure nothing is left.
   * @param name nobody else gets it meanwhile; null when only `make` will know it
   * @throws snapshot_name_taken
   */
  async add(name: string | null, make: (folder: string) => Promise<Manifest>): Promise<Manifest> {
    if (name !== null) this.requireFree(name);
    if (name !== null) this.#reserved.add(name);
    await privateDirectory(this.folder);
    const temporary = temporaryName(join(this.folder, "snapshot"));
    try {
      await mkdir(temporary, { mode: 0o700 });
      const manifest = await make(temporary);
      await writeFileAtomic(join(temporary, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
      await syncTree(temporary);
      await rename(temporary, this.path(manifest.id));
      checkpoint("snapshot.published");
      const { id, createdAt } = manifest;
      const row = { id, name: manifest.name, createdAt: Date.parse(createdAt), manifest };
      if (!this.#records.insert(row)) {
        await rm(this.path(id), { recursive: true, force: true });
        throw BangerError.of("snapshot_name_taken", { name: manifest.name });
      }
      checkpoint("snapshot.recorded");
      return manifest;
    } finally {
      if (name !== null) this.#reserved.delete(name);
      await rm(temporary, { recursive: true, force: true });
    }
  }

  /** Runs work that reads a snapshot's files; it is not removed meanwhile. */
  async use<T>({ id }: Manifest, work: () => Promise<T>): Promise<T> {
    this.#used.set(id, (this.#used.get(id) ?? 0) + 1);
    try {
      return await work();
    } finally {
      this.#used.set(id, (this.#used.get(id) ?? 1) - 1);
    }
  }

  /** @throws snapshot_in_use while it is being restored or exported */
  async remove({ id, name }: Manifest): Promise<void> {
    if (this.#used.get(id)) throw BangerError.of("snapshot_in_use", { name });
    this.#records.delete(id);
    const doomed = temporaryName(this.path(id));
    await rename(this.path(id), doomed).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") throw error;
    });
    await rm(doomed, { recursive: true, force: true });
  }

  /** After a crash: folders without a record, and records without a folder, go. @returns what went, for the log */
  async reconcile(): Promise<readonly string[]> {
    const records = this.#records.list();
    const known = new Set(records.map(({ id }) => id));
    const folders = await readdir(this.folder).catch(() => [] as string[]);
    const stray = folders.filter((folder) => !known.has(folder));
    for (const folder of stray) await rm(join(this.folder, folder), { recursive: true, force: true });
    const lost = records.filter(({ id }) => !folders.includes(id));
    for (const { id } of lost) this.#records.delete(id);
    return [...stray, ...lost.map(({ id }) => id)];
  }
}
