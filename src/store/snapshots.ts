/** The snapshots that there are: the manifest of each, as its owner (src/snapshots) made it. */
import type { Database } from "./database.ts";

export interface SnapshotRow {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly manifest: unknown;
}

export class SnapshotRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** All, oldest first. */
  list(): SnapshotRow[] {
    const rows = this.#database.prepare("SELECT * FROM snapshots ORDER BY created_at, id").all();
    return rows.map(({ id, name, created_at, manifest }) => ({
      id: String(id),
      name: String(name),
      createdAt: Number(created_at),
      manifest: JSON.parse(String(manifest)),
    }));
  }

  hasName(name: string): boolean {
    return this.#database.prepare("SELECT 1 FROM snapshots WHERE name = ?").get(name) !== undefined;
  }

  /** @returns false when the name is taken */
  insert({ id, name, createdAt, manifest }: SnapshotRow): boolean {
    const sql = `INSERT INTO snapshots (id, name, created_at, manifest) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING`;
    return this.#database.prepare(sql).run(id, name, createdAt, JSON.stringify(manifest)).changes === 1;
  }

  delete(id: string): void {
    this.#database.prepare("DELETE FROM snapshots WHERE id = ?").run(id);
  }
}
