/** A squashfs of this host as an image: used where it lies as long as it is what it was, and copied on request. */
import assert from "node:assert/strict";
import { mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { silent, type Work } from "../../src/core/stage.ts";
import { run } from "../../src/host/run.ts";
import { ImageStore } from "../../src/images/store.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";

const work: Work = { report: silent, signal: new AbortController().signal };

async function setUp(t: TestContext) {
  const folder = temporaryFolder(t);
  const make = async (name: string, content: string) => {
    const tree = join(folder, `${name}.tree`);
    mkdirSync(tree, { recursive: true });
    writeFileSync(join(tree, "content"), content);
    const file = join(folder, name);
    await run("mksquashfs", [tree, file, "-comp", "lz4", "-no-progress", "-quiet", "-noappend"]);
    return file;
  };
  const paths = temporaryPaths(t);
  return { folder, make, paths, store: new ImageStore({ paths }), file: await make("base", "one") };
}

test("a registered file is used in place, through the symlink that named it", async (t) => {
  const { folder, file, store, paths } = await setUp(t);
  symlinkSync(file, join(folder, "link"));
  const image = await store.register(join(folder, "link"), "team/base:1", work);
  assert.deepEqual(
    [image.name, image.source, image.rootfs, image.file?.path],
    ["team/base:1", "registered", file, file],
  );
  await store.requireUnchanged(image);
  assert.deepEqual(await readdir(join(paths.state, "images", image.digest)), ["manifest.json"]);
  assert.deepEqual(await store.find("team/base:1"), image);
  await store.remove(image, () => {});
  assert.ok((await stat(file)).size > 0, "the file is the user's");
});

test("a file that changed or went is refused; found again with its content it is the same image", async (t) => {
  const { file, make, store } = await setUp(t);
  const image = await store.register(file, "base", work);
  const refused = (problem: string) =>
    Promise.all([
      assert.rejects(store.requireUnchanged(image), {
        code: "image_changed",
        message: new RegExp(`which ${problem}`),
      }),
      assert.rejects(store.promote("base", work), { code: "image_changed" }),
    ]);
  renameSync(file, `${file}.away`);
  await refused("is gone");
  renameSync(`${file}.away`, file);
  await store.requireUnchanged(image);
  utimesSync(file, 1, 1);
  await refused("has changed");

  renameSync(file, `${file}.moved`);
  const moved = await store.register(`${file}.moved`, "base", work);
  assert.deepEqual([moved.digest, moved.rootfs], [image.digest, `${file}.moved`]);
  await store.requireUnchanged(await store.get(image.digest));

  const other = await store.register(await make("base", "two"), "base", work);
  assert.notEqual(other.digest, image.digest);
  assert.equal((await store.find("base")).digest, other.digest);
  assert.equal((await store.get(image.digest)).digest, image.digest, "VMs of the former still find it");
});

test("a promoted image is the same image, and needs its file no more; what is half copied is none", async (t) => {
  const { file, store, paths } = await setUp(t);
  const { digest } = await store.register(file, "base", work);
  const gone = AbortSignal.abort(new Error("given up"));
  await assert.rejects(store.promote("base", { ...work, signal: gone }));
  const folder = join(paths.state, "images", digest);
  assert.deepEqual(await readdir(folder), ["manifest.json"]);

  const bytes = await readFile(file);
  const [first, second] = await Promise.all([store.promote("base", work), store.promote("base", work)]);
  rmSync(file);
  assert.deepEqual([first.digest, first.file, second.file], [digest, null, null]);
  await store.requireUnchanged(await store.get(digest));
  assert.deepEqual(await readFile((await store.find("base")).rootfs), bytes);
  assert.deepEqual((await readdir(folder)).sort(), ["manifest.json", "rootfs.squashfs"]);
  assert.equal((await store.promote("base", work)).digest, digest, "once more does nothing");
});

test("what is no squashfs, or has no name of its own, is refused", async (t) => {
  const { folder, file, store } = await setUp(t);
  const attempt = (path: string, name = "x") => store.register(path, name, work);
  await assert.rejects(attempt(join(folder, "none")), { code: "image_refused", message: /no such file/ });
  await assert.rejects(attempt(folder), { code: "image_refused", message: /it is no file/ });
  writeFileSync(join(folder, "text"), "hello");
  await assert.rejects(attempt(join(folder, "text")), {
    code: "image_refused",
    message: /no squashfs.*image import/,
  });
  await assert.rejects(attempt(file, "debian-slim"), { code: "invalid_argument", message: /recipe/ });
  truncateSync(file, 50);
  await assert.rejects(attempt(file), { code: "image_refused" });
  assert.deepEqual(await store.list(), []);
});
