import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type TestContext, test } from "node:test";
import { inspectDatabase, openDatabase, schemaVersion } from "../../../src/store/database.ts";
import { MIGRATIONS } from "../../../src/store/migrations.ts";
import { VmRepository } from "../../../src/store/vms.ts";
import { vmRecord } from "../../support/records.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const fresh = (t: TestContext) => join(temporaryFolder(t), "state.db");

test("a new database is made with the newest schema, in WAL mode, and opens again", (t) => {
  const path = fresh(t);
  const database = openDatabase(path);
  assert.equal(schemaVersion(database), MIGRATIONS.length);
  assert.equal(database.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
  new VmRepository(database).insert(vmRecord());
  database.close();
  const again = openDatabase(path);
  assert.equal(new VmRepository(again).list().length, 1);
  again.close();
});

test("a database of a newer program is refused and stays as it is", (t) => {
  const path = fresh(t);
  const newer = new DatabaseSync(path);
  newer.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}; CREATE TABLE from_the_future (a)`);
  newer.close();
  const before = readFileSync(path);
  assert.throws(() => openDatabase(path), { code: "database_newer", exit: 1 });
  assert.deepEqual(readFileSync(path), before);
});

test("a file that is no database is refused as damaged and stays as it is", (t) => {
  const path = fresh(t);
  writeFileSync(path, "not a database at all, but long enough to have a header ".repeat(100));
  const before = readFileSync(path);
  assert.throws(() => openDatabase(path), { code: "database_corrupt" });
  assert.deepEqual(readFileSync(path), before);
});

test("a database with a damaged page is refused as damaged", (t) => {
  const path = fresh(t);
  const database = openDatabase(path);
  const vms = new VmRepository(database);
  for (let i = 0; i < 200; i++)
    vms.insert(vmRecord({ id: `vm-${i}`, name: `n${i}`, reason: "x".repeat(200) }));
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
  const bytes = readFileSync(path);
  bytes.fill(0xee, 4096 * 2, 4096 * 6);
  writeFileSync(path, bytes);
  assert.throws(() => openDatabase(path), { code: "database_corrupt" });
});

test("a path that cannot be opened is told as unreadable, with the path", (t) => {
  const path = fresh(t);
  mkdirSync(path); // a folder in the place of the file: refused for every user, root too
  assert.throws(
    () => openDatabase(path),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, "state_unreadable");
      assert.ok(error.message.includes(path));
      return true;
    },
  );
});

test("before a migration of an existing database a backup is taken; a failing step changes nothing", (t) => {
  const path = fresh(t);
  openDatabase(path).close();
  const steps = MIGRATIONS as string[];
  const known = steps.length;
  t.after(() => steps.splice(known));
  steps.push("CREATE TABLE second (a)", "this is not SQL");
  assert.throws(() => openDatabase(path));
  const unchanged = new DatabaseSync(path);
  assert.equal(schemaVersion(unchanged), known);
  assert.equal(unchanged.prepare("SELECT 1 FROM sqlite_master WHERE name = 'second'").get(), undefined);
  unchanged.close();

  steps[known + 1] = "CREATE TABLE third (a)";
  const migrated = openDatabase(path);
  assert.equal(schemaVersion(migrated), known + 2);
  migrated.close();
  const backup = new DatabaseSync(`${path}.backup`, { readOnly: true });
  assert.equal(schemaVersion(backup), known);
  backup.close();
  assert.ok(statSync(`${path}.backup`).size > 0);
});

test("looking at a database changes nothing beside it, whether it is in use or not", (t) => {
  const path = fresh(t);
  assert.equal(inspectDatabase(path), null);
  const database = openDatabase(path);
  new VmRepository(database).insert(vmRecord());
  assert.equal(inspectDatabase(path), MIGRATIONS.length);
  database.close();
  const before = readdirSync(dirname(path));
  assert.equal(inspectDatabase(path), MIGRATIONS.length);
  assert.deepEqual(readdirSync(dirname(path)), before);
});
