import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ContentStore } from "../../../src/host/content-store.ts";
import { temporaryFolder } from "../../support/temporary.ts";

interface Manifest {
  readonly layout: 1;
  readonly what: string;
}

const A = "a".repeat(64);
const B = "b".repeat(64);

function store(t: TestContext): ContentStore<Manifest> {
  return new ContentStore(join(temporaryFolder(t), "things"), (json) =>
    (json as Manifest).layout === 1 ? (json as Manifest) : null,
  );
}

const make = (digest: string, what: string) => async (folder: string) => {
  await writeFile(join(folder, "content"), what);
  return { digest, manifest: { layout: 1, what } as const };
};

test("what was added is found by digest and listed; nothing else is", async (t) => {
  const things = store(t);
  assert.deepEqual([...(await things.list())], []);
  await things.add(make(A, "first"));
  assert.deepEqual(await things.get(A), { layout: 1, what: "first" });
  assert.equal(await things.get(B), null);
  assert.equal(await things.get("../../etc"), null);
  assert.deepEqual([...(await things.list()).keys()], [A]);
});

test("when making fails, or the digest is none, nothing is left", async (t) => {
  const things = store(t);
  const failing = things.add(async (folder) => {
    await writeFile(join(folder, "half"), "");
    throw new Error("no more");
  });
  await assert.rejects(failing, /no more/);
  await assert.rejects(things.add(make("../escape", "x")), /not a digest/);
  assert.deepEqual(readdirSync(things.folder), []);
});

test("the same content made twice at once is kept once, and both get it", async (t) => {
  const things = store(t);
  const both = await Promise.all([things.add(make(A, "same")), things.add(make(A, "same"))]);
  assert.deepEqual(both[0], both[1]);
  assert.deepEqual(readdirSync(things.folder), [A]);
});

test("an entry of an older layout counts as missing and gives way to a new one", async (t) => {
  const things = store(t);
  mkdirSync(join(things.folder, A), { recursive: true });
  writeFileSync(join(things.folder, A, "manifest.json"), '{"layout": 0}');
  assert.equal(await things.get(A), null);
  await things.add(make(A, "new"));
  assert.equal((await things.get(A))?.what, "new");
});

test("damaged manifests and index files are as if they were not there", async (t) => {
  const things = store(t);
  mkdirSync(join(things.folder, A), { recursive: true });
  writeFileSync(join(things.folder, A, "manifest.json"), "{ cut of");
  writeFileSync(
    join(things.folder, "names.json"),
    '{"names": {"x": {"digest": "../../etc", "inputs": ""}, "y": null}}',
  );
  assert.equal(await things.get(A), null);
  assert.equal((await things.names()).size, 0);
  await things.setName("ok", { digest: A, inputs: "1" });
  assert.deepEqual([...(await things.names()).keys()], ["ok"]);
});

test("names set at the same time are all kept; removing an entry removes its names", async (t) => {
  const things = store(t);
  await things.add(make(A, "first"));
  await things.add(make(B, "second"));
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      things.setName(`n${i}`, { digest: i % 2 ? A : B, inputs: String(i) }),
    ),
  );
  assert.equal((await things.names()).size, 20);
  await things.remove(A);
  assert.equal(await things.get(A), null);
  const left = await things.names();
  assert.equal(left.size, 10);
  assert.ok([...left.values()].every((entry) => entry.digest === B));
});
