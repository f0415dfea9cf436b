import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { exists, privateDirectory, publishFile, writeFileAtomic } from "../../../src/host/files.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("a private folder is made with its parents, for its owner only", async (t) => {
  const folder = join(temporaryFolder(t), "a", "b");
  await privateDirectory(folder);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  await privateDirectory(folder);
});

test("a folder that others may write to, or a file in its place, is refused with its path", async (t) => {
  const home = temporaryFolder(t);
  mkdirSync(join(home, "open"));
  chmodSync(join(home, "open"), 0o777);
  writeFileSync(join(home, "file"), "");
  for (const name of ["open", "file", "file/below"]) {
    await assert.rejects(privateDirectory(join(home, name)), {
      code: "state_unreadable",
      message: new RegExp(join(home, name)),
    });
  }
});

test("a file appears whole, replaces the old one, and leaves nothing beside it", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "f");
  await writeFileAtomic(path, "one");
  await writeFileAtomic(path, "two");
  assert.equal(readFileSync(path, "utf8"), "two");
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ["f"]);
});

test("when making a file fails the old one stays and nothing is left", async (t) => {
  const folder = temporaryFolder(t);
  const path = join(folder, "f");
  await writeFileAtomic(path, "old");
  const failing = publishFile(path, async (temporary) => {
    await writeFile(temporary, "half");
    throw new Error("no more");
  });
  await assert.rejects(failing, /no more/);
  assert.equal(readFileSync(path, "utf8"), "old");
  assert.deepEqual(readdirSync(folder), ["f"]);
});

test("something is there or not", async (t) => {
  const folder = temporaryFolder(t);
  assert.equal(await exists(folder), true);
  assert.equal(await exists(join(folder, "nothing")), false);
});
