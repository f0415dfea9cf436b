/** The folders, the disk and the database, judged without touching them. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { GIB } from "../../../src/core/units.ts";
import { guarded } from "../../../src/doctor/row.ts";
import { checkDatabase, checkFolders, checkFreeSpace, closeFolders } from "../../../src/doctor/state.ts";
import { databaseFile } from "../../../src/host/paths.ts";
import { temporaryFolder, temporaryPaths } from "../../support/temporary.ts";

const me = process.getuid?.() ?? 0;

describe("folders", () => {
  test("that are not there yet are fine, and are not made", async (t) => {
    const paths = temporaryPaths(t);
    assert.equal((await checkFolders(paths))[0]?.state, "pass");
    assert.ok(!existsSync(paths.state));
  });

  for (const [mode, state, fix] of [
    [0o700, "pass", null],
    [0o755, "warn", "chmod 700"],
    [0o770, "fail", "chmod 700"],
    [0o500, "fail", "chmod 700"],
  ] as const) {
    test(`with mode ${mode.toString(8)} are a ${state}`, async (t) => {
      const paths = temporaryPaths(t);
      mkdirSync(paths.state);
      chmodSync(paths.state, mode);
      const [row] = await checkFolders(paths);
      assert.equal(row?.state, state);
      assert.equal(row?.fix, fix && `${fix} ${paths.state}`);
    });
  }

  test("of the user's own are closed to others by --fix, and no others", async (t) => {
    const paths = temporaryPaths(t);
    mkdirSync(paths.state);
    chmodSync(paths.state, 0o775);
    mkdirSync(paths.cache);
    chmodSync(paths.cache, 0o500);
    assert.deepEqual(await closeFolders(paths, me + 1), []);
    assert.deepEqual(await closeFolders(paths), [paths.state, paths.cache]);
    assert.deepEqual(
      (await checkFolders(paths)).map(({ state }) => state),
      ["pass"],
    );
    assert.deepEqual(await closeFolders(paths), []);
    assert.ok(!existsSync(paths.run), "nothing is made");
  });

  test("that are something else, or somebody else's, fail with what to type", async (t) => {
    const paths = temporaryPaths(t);
    writeFileSync(paths.state, "");
    mkdirSync(paths.cache, { mode: 0o700 });
    const rows = await checkFolders(paths, me + 1);
    assert.deepEqual(
      rows.map(({ state }) => state),
      ["fail", "fail"],
    );
    assert.match(rows[0]?.detail ?? "", /state is not a folder/);
    assert.equal(rows[1]?.fix, `sudo chown -R ${me + 1} ${paths.cache}`);
  });

  test("that cannot be made because a file is in the way fail", async (t) => {
    const file = join(temporaryFolder(t), "file");
    writeFileSync(file, "");
    const paths = { ...temporaryPaths(t), state: join(file, "banger") };
    const [row] = await checkFolders(paths);
    assert.equal(row?.state, "fail");
    assert.match(row?.detail ?? "", /cannot be made/);
  });

  test("may be links to folders on another disk", async (t) => {
    const paths = temporaryPaths(t);
    const target = join(temporaryFolder(t), "elsewhere");
    mkdirSync(target, { mode: 0o700 });
    symlinkSync(target, paths.state);
    assert.equal((await checkFolders(paths))[0]?.state, "pass");
  });
});

test("the folder with the least room counts", async (t) => {
  const paths = temporaryPaths(t);
  const row = (state: number, cache: number) =>
    checkFreeSpace(paths, async (path) => (path === paths.state ? state : cache));
  assert.equal((await row(50 * GIB, 6 * GIB)).state, "pass");
  assert.equal((await row(50 * GIB, 4 * GIB)).state, "warn");
  const full = await row(GIB / 2, 50 * GIB);
  assert.equal(full.state, "fail");
  assert.ok(full.detail.includes(paths.state));
});

test("a database that is none yet passes; a newer one is a failure with the next step, and stays", async (t) => {
  const paths = temporaryPaths(t);
  assert.equal((await checkDatabase(paths)).state, "pass");
  mkdirSync(paths.state);
  const newer = new DatabaseSync(databaseFile(paths));
  newer.exec("PRAGMA user_version = 9999");
  newer.close();
  const [row] = await guarded("database", () => checkDatabase(paths));
  assert.deepEqual([row?.name, row?.state], ["database", "fail"]);
  assert.match(row?.detail ?? "", /9999/);
  assert.match(row?.fix ?? "", /update banger/);
});
