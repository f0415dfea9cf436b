import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { freeSpace, requireSpace } from "../../../src/disk/free-space.ts";
import { temporaryFolder } from "../../support/temporary.ts";

test("a folder that does not exist yet has the space of its nearest parent", async (t) => {
  const folder = temporaryFolder(t);
  const free = await freeSpace(join(folder, "not", "there", "yet"));
  assert.ok(free > 0);
  assert.ok(Math.abs(free - (await freeSpace(folder))) < 1024 ** 3);
});

test("more than there is is refused, naming what for, how much and where", async (t) => {
  const folder = temporaryFolder(t);
  await requireSpace(folder, 1, "a disk");
  await assert.rejects(requireSpace(folder, 2 ** 52, "a disk"), (error: Error & { code?: string }) => {
    assert.equal(error.code, "no_space");
    assert.match(error.message, /a disk: 4096T needed/);
    assert.ok(error.message.includes(folder));
    return true;
  });
});
