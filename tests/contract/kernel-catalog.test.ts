/** Kernels of a catalog: as those of images, and an image's kernel with it. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { BundleContent } from "../../src/catalog/bundle.ts";
import { Catalogs } from "../../src/catalog/catalogs.ts";
import { readSigningKey } from "../../src/catalog/keys.ts";
import { publish } from "../../src/catalog/publish.ts";
import { silent, type Work } from "../../src/core/stage.ts";
import { checkKernelBundle, isKernelIntact, kernelBundle } from "../../src/kernels/bundle.ts";
import { BOOT_MODULES } from "../../src/kernels/modules.ts";
import { KernelStore } from "../../src/kernels/store.ts";
import { Publisher } from "../support/catalog.ts";
import { bzImage, fakeElf } from "../support/kernels.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";

const work: Work = { report: silent, signal: new AbortController().signal };
const RELEASE = "6.1.0-fake";

/** A store that has a kernel, with modules or without, and another that may have it from a catalog. */
async function setting(t: TestContext, options: { readonly modules: boolean }) {
  const source = temporaryFolder(t);
  await writeFile(join(source, "vmlinuz"), bzImage(gzipSync(fakeElf()), null));
  if (options.modules) {
    const modules = join(source, "lib/modules", RELEASE);
    await mkdir(modules, { recursive: true });
    const builtIn = BOOT_MODULES.map(({ name }) => `kernel/${name}.ko\n`).join("");
    await writeFile(join(modules, "modules.builtin"), builtIn);
    await writeFile(join(modules, "modules.order"), "");
  }
  const theirs = new KernelStore({ paths: temporaryPaths(t) });
  const kernel = await theirs.import("generic", { from: source }, work);
  const folder = join(source, "published");
  await mkdir(folder);
  const publisher = await Publisher.start(folder);
  t.after(() => publisher[Symbol.asyncDispose]());
  const facts = { distro: "", kernel: kernel.release, description: "small" };
  const key = await readSigningKey(publisher.keyFile);
  const publishKernel = (content: BundleContent) =>
    publish(folder, content, facts, key, checkKernelBundle, work);
  const paths = temporaryPaths(t);
  await mkdir(paths.state, { mode: 0o700 });
  const catalogs = new Catalogs({ paths, sources: () => [publisher.source], stallMs: 300 });
  return { publisher, publishKernel, kernel, paths, store: new KernelStore({ paths, catalogs }), catalogs };
}

for (const modules of [false, true]) {
  test(`a kernel ${modules ? "with" : "without"} modules arrives with its digest, and again when there is another`, async (t) => {
    const { publisher, publishKernel, kernel, store, catalogs } = await setting(t, { modules });
    await publishKernel(kernelBundle(kernel, "generic"));
    await catalogs.refresh(work);
    const offered = (await store.listAvailable()).find(({ name }) => name === "generic");
    assert.deepEqual(offered, { name: "generic", description: "small", installed: false });
    const [one, two] = await Promise.all([store.ensure("generic", work), store.ensure("generic", work)]);
    assert.deepEqual([one.digest, two.digest, one.source], [kernel.digest, kernel.digest, "catalog"]);
    assert.equal(publisher.server.asked.filter((file) => file.endsWith(".zst")).length, 1);
    assert.ok(readFileSync(one.vmlinuz).equals(readFileSync(kernel.vmlinuz)));
    assert.equal(one.modules !== null, modules);
    assert.equal(one.config !== null, kernel.config !== null);
    assert.equal(await isKernelIntact(one, work.signal), true);
    await writeFile(one.vmlinuz, "changed");
    assert.equal(await isKernelIntact(one, work.signal), false);

    publisher.server.asked.length = 0;
    await store.pull("generic", work);
    assert.deepEqual(publisher.server.asked, ["catalog.json", "catalog.json.sig"]);
    await publisher.sign({ ...(await publisher.catalog()), entries: [] });
    await assert.rejects(store.pull("generic", work), { code: "catalog_entry_missing" });
    await assert.rejects(store.ensure("unknown", work), { code: "kernel_not_found" });
  });
}

test("a bundle that is no kernel, another's, or more than a kernel is refused, and nothing of it kept", async (t) => {
  const { publisher, publishKernel, kernel, paths, store } = await setting(t, { modules: false });
  const good = kernelBundle(kernel, "generic");
  await assert.rejects(publishKernel({ ...good, digest: "0".repeat(64) }), { code: "bundle_malformed" });
  await assert.rejects(publishKernel({ ...good, details: {} }), { code: "bundle_malformed" });
  const noise = join(publisher.folder, "noise");
  await writeFile(noise, "no kernel at all");
  const offer = async (content: BundleContent) => {
    const file = await publisher.written(content);
    await publisher.bundle(content.name, file);
    const catalog = await publisher.catalog();
    await publisher.sign({
      ...catalog,
      entries: catalog.entries.map((entry) => ({ ...entry, kind: "kernel" })),
    });
  };
  for (const [content, code] of [
    [{ ...good, details: { release: "9.9.9" } }, "bundle_malformed"],
    [{ ...good, files: [{ name: "vmlinuz", path: noise }] }, "bundle_malformed"],
    [{ ...good, files: [...good.files, { name: "extra", path: noise }] }, "bundle_entry_unexpected"],
    [{ ...good, files: [{ name: "config", path: noise }] }, "bundle_malformed"],
    [{ ...good, kind: "image" }, "bundle_malformed"],
  ] as const) {
    await offer(content as BundleContent);
    await assert.rejects(store.ensure("generic", work), { code });
    assert.deepEqual(await store.list(), []);
    const left = (await readdir(join(paths.state, "kernels"))).filter((name) => name !== "names.json");
    assert.deepEqual([left, await readdir(join(paths.cache, "downloads"))], [[], []]);
  }
  await offer(good);
  assert.equal((await store.ensure("generic", work)).digest, kernel.digest);
  assert.ok((await readFile(join(paths.state, "catalogs.json"), "utf8")).includes(publisher.source.url));
});

test("banger's own kernels are nobody else's to give", async (t) => {
  const { publishKernel, kernel, store, catalogs } = await setting(t, { modules: false });
  await publishKernel(kernelBundle(kernel, "debian-cloud"));
  await catalogs.refresh(work);
  const named = (await store.listAvailable()).filter(({ name }) => name === "debian-cloud");
  assert.equal(named.length, 1);
  assert.match(named[0]?.description ?? "", /apt/);
});
