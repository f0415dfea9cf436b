/** Publishing: a catalog is signed by its own key or not at all, and verifies at every moment. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { chmod, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { makeKeyFiles, readPublicKey, readSigningKey } from "../../src/catalog/keys.ts";
import { bundleInto, publish, readCatalog } from "../../src/catalog/publish.ts";
import { verifyAll } from "../../src/catalog/verify.ts";
import { BangerError } from "../../src/core/errors.ts";
import { silent, type Work } from "../../src/core/stage.ts";
import { run } from "../../src/host/run.ts";
import { checkImageBundle, imageBundle } from "../../src/images/bundle.ts";
import { fakeImage, Publisher } from "../support/catalog.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";

const work: Work = { report: silent, signal: new AbortController().signal };
const CHECKS = { image: checkImageBundle, kernel: () => {} };
const FACTS = { distro: "", kernel: "", description: "" };

async function setting(t: TestContext) {
  const folder = join(temporaryFolder(t), "published");
  await mkdir(folder);
  const publisher = await Publisher.start(folder);
  t.after(() => publisher[Symbol.asyncDispose]());
  return { folder, publisher, key: await readSigningKey(publisher.keyFile) };
}

test("a publication is added, replaces its former one, and changes nothing when nothing has changed", async (t) => {
  const { folder, publisher, key } = await setting(t);
  await publisher.image("one");
  await publisher.image("two");
  const { serial, entries } = await publisher.catalog();
  assert.deepEqual([serial, entries.map(({ name }) => name)], [2, ["one", "two"]]);
  const image = await fakeImage(folder, "one");
  const again = () => publish(folder, imageBundle(image, "one", null), FACTS, key, checkImageBundle, work);
  const first = await again();
  assert.deepEqual([first.serial, first.changed], [3, true]);
  const before = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
  const second = await again();
  assert.deepEqual([second.serial, second.changed], [3, false]);
  const after = await Promise.all((await readdir(folder)).map((name) => stat(join(folder, name))));
  assert.equal(after.length, before.length);
  for (const name of ["catalog.json", "catalog.json.sig", first.entry.url]) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o644, "a web server may read it");
  }
  assert.equal((await publisher.catalog()).entries.length, 2);
});

test("openssl agrees with the signature", async (t) => {
  const { folder, publisher } = await setting(t);
  await publisher.image("one");
  const signature = join(folder, "signature");
  await writeFile(
    signature,
    Buffer.from(await readFile(join(folder, "catalog.json.sig"), "latin1"), "base64"),
  );
  const args = ["-verify", `${publisher.keyFile}.pub`, "-signature", signature, join(folder, "catalog.json")];
  assert.match((await run("openssl", ["dgst", "-sha256", ...args])).stdout, /Verified OK/);
});

test("cut off between its files, the catalog still verifies, and is gone on with", async (t) => {
  const { folder, publisher, key } = await setting(t);
  await publisher.image("one");
  const [json, sig] = ["catalog.json", "catalog.json.sig"].map((name) => join(folder, name)) as [
    string,
    string,
  ];
  const old = { json: await readFile(json), sig: await readFile(sig, "latin1") };
  await publisher.image("two");
  const both = `${await readFile(sig, "latin1")}${old.sig}`;
  for (const [catalog, serial] of [
    [old.json, 1],
    [await readFile(json), 2],
  ] as const) {
    await writeFile(json, catalog);
    await writeFile(sig, both);
    assert.equal((await readCatalog(folder, key.public))?.catalog.serial, serial);
    await publisher.image("three");
    assert.equal((await readCatalog(folder, key.public))?.catalog.serial, serial + 1);
    assert.equal((await readFile(sig, "latin1")).trim().split("\n").length, 1);
    await writeFile(json, await readFile(json));
  }
});

describe("nothing is published, and the folder is as it was, when", () => {
  test("the catalog there is another key's, or was changed", async (t) => {
    const { folder, publisher } = await setting(t);
    await publisher.image("one");
    const image = await fakeImage(folder, "two");
    const other = join(folder, "../other.key");
    await makeKeyFiles(other);
    const files = async () =>
      Promise.all(
        (await readdir(folder)).map(async (name) => [name, await readFile(join(folder, name), "latin1")]),
      );
    const before = await files();
    const attempt = async (file: string) =>
      publish(
        folder,
        imageBundle(image, "two", null),
        FACTS,
        await readSigningKey(file),
        checkImageBundle,
        work,
      );
    await assert.rejects(attempt(other), { code: "catalog_signature_invalid" });
    assert.deepEqual(await files(), before);
    const text = await readFile(join(folder, "catalog.json"), "utf8");
    await writeFile(join(folder, "catalog.json"), text.replace("one", "One"));
    await assert.rejects(attempt(publisher.keyFile), { code: "catalog_signature_invalid" });
  });

  test("the image is not what its digest says, has a name that catalogs cannot have, or has no room", async (t) => {
    const { folder, publisher, key } = await setting(t);
    const image = await fakeImage(folder, "app");
    const before = await readdir(folder);
    const damaged = { ...image, digest: "0".repeat(64) };
    const attempt = (content: ReturnType<typeof imageBundle>, into = folder) =>
      publish(into, content, FACTS, key, checkImageBundle, work);
    await assert.rejects(attempt(imageBundle(damaged, "app", null)), {
      code: "bundle_malformed",
      message: /digest/,
    });
    await assert.rejects(attempt(imageBundle(image, "team/app:1", null)), {
      code: "invalid_argument",
      hint: /--as/,
    });
    await assert.rejects(attempt(imageBundle(image, "app", null), publisher.keyFile), {
      code: /bundle_failed|catalog_unreachable/,
    });
    assert.deepEqual(await readdir(folder), before);
    const abort = new AbortController();
    abort.abort(new Error("left"));
    await assert.rejects(
      bundleInto(folder, imageBundle(image, "app", null), checkImageBundle, {
        ...work,
        signal: abort.signal,
      }),
      /left/,
    );
    assert.deepEqual(await readdir(folder), before);
  });
});

test("a private key is refused that is missing, no key, another kind's, locked, readable by others, or beside another's", async (t) => {
  const folder = temporaryFolder(t);
  const pem = (key: KeyObject, passphrase?: string) =>
    key.export({ type: "pkcs8", format: "pem", ...(passphrase && { cipher: "aes-256-cbc", passphrase }) });
  const ec = (namedCurve: string) => generateKeyPairSync("ec", { namedCurve }).privateKey;
  const good = pem(ec("P-256")).toString();
  const secret = good.split("\n")[1] ?? "";
  for (const [name, content, mode, reason] of [
    ["noise", "s3cret noise", 0o600, /no private key/],
    ["locked", pem(ec("P-256"), "word"), 0o600, /without a passphrase/],
    ["curve", pem(ec("P-384")), 0o600, /no ECDSA P-256/],
    ["open", good, 0o644, /others may read it; chmod 600/],
    ["long", "x".repeat(20_000), 0o600, /no key file/],
  ] as const) {
    const file = join(folder, name);
    await writeFile(file, content);
    await chmod(file, mode);
    await assert.rejects(readSigningKey(file), (error: unknown) => {
      assert.ok(error instanceof BangerError);
      assert.equal(error.code, "signing_key_unusable");
      assert.match(error.message, reason);
      assert.ok(!`${error.message} ${error.stack} ${String(error.cause)}`.includes(secret));
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /s3cret/);
      return true;
    });
  }
  await assert.rejects(readSigningKey(join(folder, "none")), {
    code: "signing_key_unusable",
    message: /ENOENT/,
  });
  const file = join(folder, "pair");
  await makeKeyFiles(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await readSigningKey(file);
  await makeKeyFiles(join(folder, "other"));
  await writeFile(`${file}.pub`, await readFile(join(folder, "other.pub")));
  await assert.rejects(readSigningKey(file), { message: /key of another one/ });
  await assert.rejects(makeKeyFiles(file), { message: /exists already/ });
  await assert.rejects(readPublicKey(file), { code: "signing_key_unusable" });
});

test("a catalog is verified whole: in its folder and on its server, each bundle told by itself", async (t) => {
  const { folder, publisher, key } = await setting(t);
  const paths = temporaryPaths(t);
  await publisher.image("bad");
  await publisher.image("good");
  const bad = (await publisher.catalog()).entries.find(({ name }) => name === "bad");
  const file = join(folder, String(bad?.url));
  const bytes = await readFile(file);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(file, bytes);
  for (const target of [folder, publisher.source.url]) {
    const { entries } = await verifyAll(target, key.public, CHECKS, paths, work);
    assert.deepEqual(
      entries.map(({ entry, problem }) => [entry.name, problem?.code ?? null]),
      [
        ["bad", "bundle_hash_wrong"],
        ["good", null],
      ],
      target,
    );
  }
  assert.deepEqual(await readdir(join(paths.cache, "downloads")), []);
  await makeKeyFiles(join(folder, "../other"));
  const other = await readPublicKey(join(folder, "../other.pub"));
  for (const target of [folder, publisher.source.url])
    await assert.rejects(verifyAll(target, other, CHECKS, paths, work), {
      code: "catalog_signature_invalid",
    });
  await assert.rejects(verifyAll(join(folder, "none"), other, CHECKS, paths, work), {
    code: "catalog_unreachable",
  });
});
