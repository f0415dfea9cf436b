/** Images of a catalog: fetched, checked and published whole, or refused by the name of what is wrong, with nothing left. */
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import { END, memberHeader, paddingAfter } from "../../src/archive/writer.ts";
import { MANIFEST } from "../../src/catalog/bundle.ts";
import { Catalogs } from "../../src/catalog/catalogs.ts";
import { hostArch, MAX_CATALOG } from "../../src/catalog/document.ts";
import { silent, type Work } from "../../src/core/stage.ts";
import { GIB } from "../../src/core/units.ts";
import { freeSpace } from "../../src/disk/free-space.ts";
import { cacheParts } from "../../src/host/cache-parts.ts";
import type { Paths } from "../../src/host/paths.ts";
import { imageBundle } from "../../src/images/bundle.ts";
import { ImageStore } from "../../src/images/store.ts";
import { fakeImage, Publisher } from "../support/catalog.ts";
import type { StaticServer } from "../support/static-server.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";

const notices: string[] = [];
const work: Work = {
  report: { ...silent, notice: (text) => notices.push(text) },
  signal: new AbortController().signal,
};

async function setting(t: TestContext) {
  const folder = join(temporaryFolder(t), "published");
  await mkdir(folder);
  const publisher = await Publisher.start(folder);
  t.after(() => publisher[Symbol.asyncDispose]());
  const paths = temporaryPaths(t);
  await mkdir(paths.state, { mode: 0o700 });
  const catalogs = new Catalogs({ paths, sources: () => [publisher.source], stallMs: 300 });
  const store = new ImageStore({ paths, catalogs, registry: { credentials: async () => null } });
  return { publisher, paths, catalogs, store };
}

/** No image, no part of a download. */
async function nothingLeft(paths: Paths, store: ImageStore): Promise<void> {
  assert.deepEqual(await store.list(), []);
  const names = await Promise.all(
    [join(paths.state, "images"), join(paths.cache, "downloads")].map((path) =>
      readdir(path).catch(() => []),
    ),
  );
  assert.deepEqual(names.flat(), []);
}

/** A tar of members, packed as bundles are. */
function packed(
  members: readonly { name: string; content?: Buffer; type?: "file" | "symlink"; link?: string }[],
) {
  const parts = members.flatMap(({ name, content = Buffer.alloc(0), type = "file", link = "" }) => {
    const facts = { mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, segments: null };
    const header = { ...facts, name: Buffer.from(name), type, link: Buffer.from(link), size: content.length };
    return [memberHeader(header), content, Buffer.alloc(paddingAfter(content.length))];
  });
  return zstdCompressSync(Buffer.concat([...parts, END]));
}

function manifestOf(rootfs: Buffer, changes: object = {}) {
  const sha256 = createHash("sha256").update(rootfs).digest("hex");
  const details = {
    init: null,
    env: {},
    run: { user: "", workingDirectory: "", entrypoint: [], command: [] },
    kernel: null,
  };
  const files = [{ name: "rootfs", size: rootfs.length, sha256 }];
  const manifest = {
    bundle: 1,
    kind: "image",
    name: "app",
    arch: hostArch(),
    digest: sha256,
    details,
    files,
  };
  return { name: MANIFEST, content: Buffer.from(JSON.stringify({ ...manifest, ...changes })) };
}

test("an image that was published arrives with its digest, its settings and its bytes, once for all who ask", async (t) => {
  const { publisher, paths, store, catalogs } = await setting(t);
  const image = await publisher.image("app", { facts: { kernel: "debian-cloud" } });
  assert.deepEqual(
    await store.listAvailable().then((all) => all.map(({ name }) => name).includes("app")),
    false,
  );
  await catalogs.refresh(work);
  const offered = (await store.listAvailable()).find(({ name }) => name === "app");
  assert.deepEqual(offered, { name: "app", description: "made by a test", installed: false });

  const [one, two] = await Promise.all([store.ensure("app", work), store.ensure("app", work)]);
  assert.deepEqual(one, two);
  assert.equal(publisher.server.asked.filter((file) => file.endsWith(".tar.zst")).length, 1);
  const facts = ({ digest, init, env, run, name }: typeof one) => ({ digest, init, env, run, name });
  assert.deepEqual(facts(one), facts(image));
  assert.deepEqual([one.source, one.kernel], ["catalog", "debian-cloud"]);
  assert.deepEqual(await readFile(one.rootfs), await readFile(image.rootfs));
  assert.deepEqual(await readdir(join(paths.cache, "downloads")), []);
  assert.deepEqual(
    (await cacheParts(paths)).map(({ name, meaning }) => `${name}: ${meaning}`),
    ["catalogs: catalogs, as last fetched", "downloads: bundles of catalogs on their way"],
  );

  publisher.server.asked.length = 0;
  await store.ensure("app", work);
  assert.deepEqual(publisher.server.asked, [], "one that is here asks nobody");
  await store.pull("app", work);
  assert.deepEqual(publisher.server.asked.sort(), ["catalog.json", "catalog.json.sig"]);
  const next = await publisher.image("app");
  assert.equal((await store.pull("app", work)).digest, next.digest, "again when the catalog has another");
  await publisher.sign({ ...(await publisher.catalog()), entries: [] });
  await assert.rejects(store.pull("app", work), { code: "catalog_entry_missing" });
  assert.equal((await store.ensure("app", work)).digest, next.digest);
});

describe("a catalog is refused, and nothing of it used, when", () => {
  const refused = async (t: TestContext, code: string, spoil: (publisher: Publisher) => Promise<void>) => {
    const { publisher, paths, store, catalogs } = await setting(t);
    await publisher.image("app");
    await spoil(publisher);
    await assert.rejects(store.ensure("app", work), { code });
    assert.deepEqual(
      (await catalogs.refresh(work)).map(({ catalog, problem }) => [catalog, problem?.code]),
      [[null, code]],
    );
    assert.deepEqual(await catalogs.offers("image"), []);
    await nothingLeft(paths, store);
  };
  const file = (publisher: Publisher, name: string) => join(publisher.folder, name);

  test("one byte of it was changed", (t) =>
    refused(t, "catalog_signature_invalid", async (publisher) => {
      const text = await readFile(file(publisher, "catalog.json"), "utf8");
      await writeFile(file(publisher, "catalog.json"), text.replace('"serial": 1', '"serial": 2'));
    }));

  test("its signature is missing, empty, noise, or another key's", async (t) => {
    await refused(t, "catalog_signature_invalid", (publisher) => rm(file(publisher, "catalog.json.sig")));
    for (const content of ["", "noise", `${"A".repeat(96)}\n`, "\n".repeat(500)]) {
      await refused(t, "catalog_signature_invalid", (publisher) =>
        writeFile(file(publisher, "catalog.json.sig"), content),
      );
    }
    const { publisher: other } = await setting(t);
    await other.image("app");
    await refused(t, "catalog_signature_invalid", async (publisher) => {
      for (const name of ["catalog.json", "catalog.json.sig"]) {
        await writeFile(file(publisher, name), await readFile(file(other, name)));
      }
    });
  });

  for (const [what, change] of [
    ["it is of another version", { version: 2 }],
    ["it has no serial", { serial: 0 }],
    [
      "an entry has no sha256",
      { entries: [{ kind: "image", name: "app", arch: "amd64", url: "x", size: 1 }] },
    ],
    [
      "a name leads somewhere",
      {
        entries: [
          { kind: "image", name: "../app", arch: "amd64", url: "x", sha256: "0".repeat(64), size: 1 },
        ],
      },
    ],
    [
      "a size is more than there may be",
      {
        entries: [
          { kind: "image", name: "app", arch: "amd64", url: "x", sha256: "0".repeat(64), size: 2 ** 50 },
        ],
      },
    ],
    [
      "a name stands in it twice",
      {
        entries: Array(2).fill({
          kind: "image",
          name: "a",
          arch: "amd64",
          url: "x",
          sha256: "0".repeat(64),
          size: 1,
        }),
      },
    ],
  ] as const) {
    test(what, (t) =>
      refused(t, "catalog_malformed", async (publisher) =>
        publisher.sign({ ...(await publisher.catalog()), ...change }),
      ),
    );
  }

  test("it is no JSON, though signed", (t) =>
    refused(t, "catalog_malformed", (publisher) => publisher.sign(Buffer.from("hello"))));

  test("it is larger than there may be, before all of it has come", (t) =>
    refused(t, "catalog_too_large", (publisher) => publisher.sign(Buffer.alloc(MAX_CATALOG + 1, " "))));

  test("its server is gone, answers an error, stalls or leads astray", async (t) => {
    for (const status of [404, 500, 403]) {
      await refused(t, "catalog_unreachable", async (publisher) => {
        publisher.server.trouble = (_, reply) => !!reply.writeHead(status).end();
      });
    }
    await refused(t, "catalog_unreachable", async (publisher) => {
      publisher.server.trouble = () => true;
    });
    for (const location of ["http://192.0.2.1/catalog.json", "file:///etc/passwd", "catalog.json"]) {
      await refused(t, "catalog_unreachable", async (publisher) => {
        publisher.server.trouble = (_, reply) => !!reply.writeHead(302, { location }).end();
      });
    }
  });
});

test("an older catalog than the last one is refused, also after the cache was emptied; the last one is gone on with", async (t) => {
  const { publisher, paths, store, catalogs } = await setting(t);
  await publisher.image("app");
  const names = ["catalog.json", "catalog.json.sig"].map((name) => join(publisher.folder, name));
  const former = await Promise.all(names.map((name) => readFile(name)));
  const fresh = await publisher.image("app");
  await catalogs.refresh(work);
  const replay = () => Promise.all(names.map((name, at) => writeFile(name, former[at] ?? "")));
  await replay();
  await assert.rejects(store.ensure("app", work), {
    code: "catalog_downgraded",
    message: /serial 1 after 2/,
  });
  const [state] = await catalogs.refresh(work);
  assert.deepEqual([state?.problem?.code, state?.catalog?.serial], ["catalog_downgraded", 2]);
  await rm(paths.cache, { recursive: true });
  await assert.rejects(store.ensure("app", work), { code: "catalog_downgraded" });
  assert.deepEqual(await store.list(), []);
  await publisher.sign({ ...(await publisher.catalog()), serial: 3 });
  assert.notEqual((await store.ensure("app", work)).digest, fresh.digest, "what is newer counts");
  await writeFile(join(paths.state, "catalogs.json"), "{");
  await assert.rejects(store.pull("app", work), { code: "state_unreadable" });
});

test("a catalog that cannot be reached is used as it was; a name that it had not is nobody else's", async (t) => {
  const { publisher, store } = await setting(t);
  await publisher.image("app");
  await store.ensure("app", work);
  const next = await publisher.image("other");
  await store.pull("other", work);
  await store.remove(await store.find("other"), () => {});
  publisher.server.trouble = (_, reply, file) =>
    file.startsWith("catalog.json") && !!reply.writeHead(503).end();
  notices.length = 0;
  assert.equal((await store.ensure("other", work)).digest, next.digest);
  assert.match(notices.join(), /503.*as it was last seen/);
  // Not asked for at a registry, where anybody may have that name.
  await assert.rejects(store.ensure("secret", work), { code: "catalog_unreachable" });
});

describe("a bundle is refused, and nothing of it kept, when", () => {
  const refused = async (
    t: TestContext,
    code: string,
    message: RegExp,
    spoil: (publisher: Publisher, bundle: string) => Promise<void>,
  ) => {
    const { publisher, paths, store } = await setting(t);
    await publisher.image("app");
    const [entry] = (await publisher.catalog()).entries;
    await spoil(publisher, join(publisher.folder, String(entry?.url)));
    await assert.rejects(store.ensure("app", work), { code, message });
    await nothingLeft(paths, store);
  };
  const flip = (bytes: Buffer) => {
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    return bytes;
  };
  const entryWith = (change: object) => async (publisher: Publisher) => {
    const catalog = await publisher.catalog();
    await publisher.sign({ ...catalog, entries: catalog.entries.map((entry) => ({ ...entry, ...change })) });
  };
  const bundled = (bytes: Buffer) => async (publisher: Publisher) => {
    await writeFile(join(publisher.folder, "made.tar.zst"), bytes);
    await publisher.bundle("app", "made.tar.zst");
  };

  test("a bit of it was flipped", (t) =>
    refused(t, "bundle_hash_wrong", /sha256/, async (_, path) =>
      writeFile(path, flip(await readFile(path))),
    ));

  test("it is longer or shorter than promised, whether its server tells or not", async (t) => {
    for (const bytes of [Buffer.alloc(1), Buffer.alloc(5_000_000)]) {
      await refused(t, "bundle_size_wrong", new RegExp(`${bytes.length} bytes`), (_, path) =>
        writeFile(path, bytes),
      );
      await refused(t, "bundle_size_wrong", /bytes where/, async (publisher) => {
        publisher.server.trouble = (_, reply, file) =>
          file.endsWith(".zst") && !!reply.writeHead(200).end(bytes);
      });
    }
  });

  test("its server has it not, breaks off, stalls, or leads astray", async (t) => {
    const troubled = (reason: RegExp, trouble: StaticServer["trouble"]) =>
      refused(t, "download_failed", reason, async (publisher) => {
        publisher.server.trouble = (request, reply, file) =>
          file.endsWith(".zst") && trouble(request, reply, file);
      });
    await troubled(/answers 404/, (_, reply) => !!reply.writeHead(404).end());
    await troubled(/nothing came/, () => true);
    await troubled(/nothing came/, (_, reply) => !!reply.writeHead(200).write("x"));
    await troubled(
      /abort|reset|hang up/i,
      (_, reply) => !!reply.writeHead(200).write("x", () => reply.destroy()),
    );
    await troubled(
      /without TLS/,
      (_, reply) => !!reply.writeHead(302, { location: "http://192.0.2.1/x" }).end(),
    );
    await troubled(/redirects/, (_, reply, file) => !!reply.writeHead(302, { location: `/${file}` }).end());
    for (const url of ["http://192.0.2.1/x", "file:///etc/passwd", "http://"]) {
      await refused(t, "download_failed", /without TLS|no address/, entryWith({ url }));
    }
  });

  test("it is made for another machine, by its catalog or by itself", async (t) => {
    await refused(t, "bundle_architecture_wrong", /s390x/, entryWith({ arch: "s390x" }));
    const rootfs = randomBytes(10);
    const made = packed([manifestOf(rootfs, { arch: "s390x" }), { name: "rootfs", content: rootfs }]);
    await refused(t, "bundle_architecture_wrong", /s390x/, bundled(made));
  });

  test("it holds anything beside what it must", async (t) => {
    const rootfs = randomBytes(1000);
    const manifest = manifestOf(rootfs);
    const file = { name: "rootfs", content: rootfs };
    const sha256 = "0".repeat(64);
    const files = (names: string[]) =>
      manifestOf(rootfs, { files: names.map((name) => ({ name, size: 0, sha256 })) });
    for (const [entry, members] of [
      ["extra", [manifest, file, { name: "extra" }]],
      ["rootfs", [manifest, file, { name: "rootfs", content: rootfs }]],
      ["../../escape", [manifest, file, { name: "../../escape", content: rootfs }]],
      ["/etc/passwd", [manifest, { name: "/etc/passwd", content: rootfs }]],
      ["rootfs", [manifest, { name: "rootfs", type: "symlink", link: "/etc/passwd" }]],
      ["rootfs", [file, manifest]],
      ["vmlinuz", [files(["rootfs", "vmlinuz"])]],
      ["../rootfs", [files(["../rootfs"])]],
      ["rootfs", [files(["rootfs", "rootfs"])]],
    ] as const) {
      const message = new RegExp(`'${entry.replaceAll(".", "\\.")}'`);
      await refused(t, "bundle_entry_unexpected", message, bundled(packed(members)));
    }
  });

  test("it is not whole, or not what its manifest says", async (t) => {
    const rootfs = randomBytes(1000);
    const file = { name: "rootfs", content: rootfs };
    const other = createHash("sha256").update("other").digest("hex");
    for (const [problem, bytes] of [
      [/zstd/, Buffer.from("no zstd at all, but long enough to be read")],
      [/zstd|too early/, packed([manifestOf(rootfs), file]).subarray(0, -20)],
      [/too early|checksum|header/, zstdCompressSync(Buffer.from("no tar".repeat(200)))],
      [/no manifest/, zstdCompressSync(END)],
      [/'rootfs' is missing/, packed([manifestOf(rootfs)])],
      [/not JSON/, packed([{ name: MANIFEST, content: Buffer.from("hello") }, file])],
      [/1048577 bytes/, packed([{ name: MANIFEST, content: Buffer.alloc(1024 * 1024 + 1, " ") }])],
      [/bundle/, packed([manifestOf(rootfs, { bundle: 2 }), file])],
      [/'other', not/, packed([manifestOf(rootfs, { name: "other" }), file])],
      [/kernel 'app'/, packed([manifestOf(rootfs, { kind: "kernel" }), file])],
      [/details/, packed([manifestOf(rootfs, { details: { init: "relative" } }), file])],
      [/digest/, packed([manifestOf(rootfs, { digest: other }), file])],
      [
        /another sha256/,
        packed([manifestOf(rootfs, { files: [{ name: "rootfs", size: 1000, sha256: other }] }), file]),
      ],
      [
        /has 1000 bytes/,
        packed([manifestOf(rootfs, { files: [{ name: "rootfs", size: 9, sha256: other }] }), file]),
      ],
      // A hundred bytes that become thirty million.
      [
        /bytes come out|too early/,
        zstdCompressSync(Buffer.concat([Buffer.alloc(1024), Buffer.alloc(30_000_000)])),
      ],
    ] as const) {
      await refused(t, "bundle_malformed", problem, bundled(bytes));
    }
  });

  test("there is no room for what it becomes", async (t) => {
    const size = 120 * GIB;
    if ((await freeSpace(temporaryFolder(t))) > size) return t.skip("this disk has room for 120 GiB");
    const files = [{ name: "rootfs", size, sha256: "0".repeat(64) }];
    await refused(t, "no_space", /free/, bundled(packed([manifestOf(Buffer.alloc(1), { files })])));
  });
});

test("a redirect is followed", async (t) => {
  const { publisher, store } = await setting(t);
  const image = await publisher.image("app");
  const elsewhere = createServer((request, reply) => {
    void fetch(`${publisher.server.origin}${request.url}?direct`).then(async (answer) =>
      reply.end(Buffer.from(await answer.arrayBuffer())),
    );
  }).listen(0, "127.0.0.1");
  t.after(() => elsewhere.close());
  await new Promise((resolve) => elsewhere.once("listening", resolve));
  const other = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
  publisher.server.trouble = (request, reply) =>
    !request.url?.includes("direct") && !!reply.writeHead(307, { location: `${other}${request.url}` }).end();
  assert.equal((await store.ensure("app", work)).digest, image.digest);
});

test("the same image gives the same bundle, whenever and wherever it is made", async (t) => {
  const { publisher } = await setting(t);
  const bytes = randomBytes(5_000_000);
  const files = await Promise.all(
    ["a", "b"].map(async (name) =>
      publisher.written(imageBundle(await fakeImage(publisher.folder, name, bytes), "app", null)),
    ),
  );
  const [a, b] = await Promise.all(files.map((file) => readFile(join(publisher.folder, file))));
  assert.ok(a && b && a.equals(b));
});
