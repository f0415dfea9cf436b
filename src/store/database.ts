/** Opens the state database: WAL, integrity check, migrations with a backup taken before. */
import { existsSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { BangerError } from "../core/errors.ts";
import { MIGRATIONS } from "./migrations.ts";

export type Database = DatabaseSync;

/**
 * Opens (and makes, and migrates) the database. One process at a time holds it: the daemon.
 * @throws database_newer | database_corrupt | state_unreadable; nothing is changed then
 */
export function openDatabase(path: string): Database {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { enableForeignKeyConstraints: true });
    checkIntegrity(database);
    const found = checkKnown(schemaVersion(database));
    database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 2000");
    if (found < MIGRATIONS.length) migrate(database, path, found);
    return database;
  } catch (error) {
    database?.close();
    throw explain(error, path);
  }
}

/**
 * Looks at the database without changing it or its folder.
 * @returns its schema version, or null when there is none @throws database_newer | database_corrupt | state_unreadable
 */
export function inspectDatabase(path: string): number | null {
  if (!existsSync(path)) return null;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(readingAddress(path), { readOnly: true });
    checkIntegrity(database);
    return checkKnown(schemaVersion(database));
  } catch (error) {
    throw explain(error, path);
  } finally {
    database?.close();
  }
}

/** Also a reader of a WAL database makes `-wal` and `-shm` files, unless it is told that nobody writes; without a log nobody does. */
function readingAddress(path: string): URL {
  const address = pathToFileURL(path);
  if (!existsSync(`${path}-wal`)) address.searchParams.set("immutable", "1");
  return address;
}

/** @throws database_newer when a later banger wrote it */
function checkKnown(version: number): number {
  if (version > MIGRATIONS.length)
    throw BangerError.of("database_newer", { found: version, known: MIGRATIONS.length });
  return version;
}

/** The number of the last migration applied. */
export function schemaVersion(database: Database): number {
  return Number(database.prepare("PRAGMA user_version").get()?.user_version ?? 0);
}

function checkIntegrity(database: Database): void {
  const answer = database.prepare("PRAGMA quick_check(1)").get()?.quick_check;
  if (answer !== "ok") throw new Error(String(answer));
}

function migrate(database: Database, path: string, from: number): void {
  if (from > 0) backUp(database, `${path}.backup`);
  database.exec("BEGIN IMMEDIATE");
  try {
    for (const step of MIGRATIONS.slice(from)) database.exec(step);
    database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

function backUp(database: Database, target: string): void {
  const temporary = `${target}.tmp`;
  if (existsSync(temporary)) rmSync(temporary);
  database.prepare("VACUUM INTO ?").run(temporary);
  renameSync(temporary, target);
}

const CANNOT_OPEN = new Set([8, 14, 23]); // SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_AUTH

function explain(error: unknown, path: string): BangerError {
  if (error instanceof BangerError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const code = (error as { errcode?: number }).errcode;
  if (code !== undefined && CANNOT_OPEN.has(code & 0xff)) {
    return BangerError.of("state_unreadable", { path, reason }, { cause: error });
  }
  return BangerError.of("database_corrupt", { path, reason }, { cause: error });
}
