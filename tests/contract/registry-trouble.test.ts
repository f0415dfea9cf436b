/** Registries and disks that fail in the middle: survived or told, and what was kept is no poison. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { gzipSync } from "node:zlib";
import type { ErrorBody } from "../../src/core/errors.ts";
import { silent, type Work } from "../../src/core/stage.ts";
import { open, run } from "../../src/host/run.ts";
import type { RegistryOptions } from "../../src/images/oci/registry.ts";
import { ImageStore } from "../../src/images/store.ts";
import { ScriptedRegistry } from "../support/scripted-registry.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";

const work: Work = { report: silent, signal: new AbortController().signal };
const FAST: RegistryOptions = { pauseMs: 1, stallMs: 200, credentials: async () => null };
const INDEX = "application/vnd.oci.image.index.v1+json";

async function setting(t: TestContext, options: RegistryOptions = {}) {
  const registry = await ScriptedRegistry.start();
  t.after(() => registry[Symbol.asyncDispose]());
  const paths = temporaryPaths(t);
  return { registry, paths, store: new ImageStore({ paths, registry: { ...FAST, ...options } }) };
}

/** Names in an image's file. */
async function listed(rootfs: string): Promise<string[]> {
  const { stdout } = await run("unsquashfs", ["-l", "-d", "", rootfs]);
  return stdout.split("\n").filter((line) => line.startsWith("/"));
}

const isBlob = (url: URL) => url.pathname.includes("/blobs/");
const digestOf = (url: URL) => url.pathname.split("/").at(-1);

describe("a layer", () => {
  test("of the promised size and other bytes is refused and not kept; sent rightly it is taken", async (t) => {
    const { registry, paths, store } = await setting(t);
    const layer = await registry.layerOf([{ path: "file", content: randomBytes(50_000) }]);
    const ref = registry.image("exchanged", [layer]);
    const other = gzipSync(randomBytes(layer.descriptor.size));
    registry.intercept = (_, reply, url) =>
      digestOf(url) === layer.descriptor.digest && !!reply.end(other.subarray(0, layer.descriptor.size));
    await assert.rejects(store.ensure(ref, work), { code: "image_refused", message: /layer 1/ });
    assert.deepEqual(await readdir(join(paths.cache, "layers")), []);
    registry.intercept = () => false;
    assert.deepEqual(await listed((await store.ensure(ref, work)).rootfs), ["/file"]);
  });

  test("with bytes behind its end, of the archive or of the compression, is what it is without them", async (t) => {
    const { registry, store } = await setting(t);
    const plain = await registry.layerOf([{ path: "file", content: "x" }]);
    const tar = Buffer.concat(await registry.tar([{ path: "file", content: "x" }]));
    const behind = Buffer.from("something else altogether".repeat(100));
    for (const [tag, layer] of [
      ["padded", registry.layer(Buffer.concat([tar, behind]))],
      ["zeros", registry.layer(Buffer.concat([tar, Buffer.alloc(1_000_000)]))],
    ] as const) {
      assert.notEqual(layer.diffId, plain.diffId);
      assert.deepEqual(
        await listed((await store.ensure(registry.image(tag, [layer]), work)).rootfs),
        ["/file"],
        tag,
      );
    }
    const packed = registry.layer(tar, Buffer.concat([gzipSync(tar), behind]));
    const ref = registry.image("gzip", [packed]);
    await store.ensure(ref, work).then(
      async ({ rootfs }) => assert.deepEqual(await listed(rootfs), ["/file"]),
      (error: { code: string }) => assert.equal(error.code, "image_refused"),
    );
  });

  test("that writes through its own symlinks stays in the image", async (t) => {
    const { registry, store } = await setting(t);
    const up = { path: "up", type: "symlink", link: "../../../../tmp" } as const;
    const layers = [
      await registry.layerOf([up, { path: "abs", type: "symlink", link: "/var" }]),
      await registry.layerOf([
        { path: "up/banger-escape", content: "x" },
        { path: "abs/escape", content: "y" },
      ]),
    ];
    const { rootfs } = await store.ensure(registry.image("through", layers), work);
    assert.deepEqual(
      (await listed(rootfs)).filter((path) => /escape/.test(path)),
      ["/tmp/banger-escape", "/var/escape"],
    );
    assert.ok(!(await readdir("/tmp")).includes("banger-escape"));
  });

  test("with numbers that cannot be, or headers without bound, is refused", async (t) => {
    const { registry, paths, store } = await setting(t);
    const tar = Buffer.concat(await registry.tar([{ path: "file", content: "x" }]));
    const numbered = (at: number, field: Buffer) => {
      const bytes = Buffer.from(tar);
      field.copy(bytes, at);
      const sum = bytes.subarray(0, 512).reduce((all, byte, i) => all + (i >= 148 && i < 156 ? 32 : byte), 0);
      bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      return registry.layer(bytes);
    };
    const [uid, size] = [108, 124];
    const pax = (records: string) => {
      const header = Buffer.from(tar.subarray(0, 512));
      header.write("x", 156, "latin1");
      header.write(records.length.toString(8).padStart(11, "0"), size, "latin1");
      const sum = header.reduce((all, byte, i) => all + (i >= 148 && i < 156 ? 32 : byte), 0);
      header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
      const padding = Buffer.alloc((512 - (records.length % 512)) % 512);
      return registry.layer(Buffer.concat([header, Buffer.from(records), padding, tar]));
    };
    const record = (text: string) => {
      let length = text.length + 2;
      while (`${length} ${text}\n`.length !== length) length += 1;
      return `${length} ${text}\n`;
    };
    for (const [tag, layer] of [
      ["minus", numbered(size, Buffer.from("-0000000001\0"))],
      ["letters", numbered(size, Buffer.from("0000000zzzz\0"))],
      ["binary-minus", numbered(size, Buffer.from("ff".repeat(12), "hex"))],
      ["binary-huge", numbered(size, Buffer.from(`80${"ff".repeat(11)}`, "hex"))],
      ["owner", numbered(uid, Buffer.from("80ffffffffffffff", "hex"))],
      ["pax-size", pax(record("size=99999999999999999999"))],
      ["pax-minus", pax(record("size=-5"))],
      ["pax-owner", pax(record("uid=4294967295"))],
      ["pax-lie", pax("999999999 path=x\n")],
      ["pax-bomb", pax(record(`comment=${"x".repeat(2_000_000)}`))],
    ] as const) {
      await assert.rejects(store.ensure(registry.image(tag, [layer]), work), { code: "image_refused" }, tag);
      assert.deepEqual(await store.list(), [], tag);
      assert.deepEqual(
        (await readdir(join(paths.cache, "layers"))).filter((name) => /^(\.tmp|partial)/.test(name)),
        [],
      );
    }
  });
});

test("indexes that name indexes are followed three deep, no further", async (t) => {
  const { registry, store } = await setting(t);
  registry.image("leaf", [await registry.layerOf([{ path: "x", content: "x" }])]);
  let inner = registry.descriptor("leaf");
  const nest = (tag: string) => {
    inner = registry.manifest(tag, { schemaVersion: 2, mediaType: INDEX, manifests: [inner] }, INDEX);
  };
  for (const tag of ["one", "two", "three"]) nest(tag);
  assert.equal((await store.ensure(`${registry.host}/test/image:three`, work)).source, "registry");
  for (const tag of ["four", "five"]) nest(tag);
  await assert.rejects(store.pull(`${registry.host}/test/image:five`, work), {
    code: "image_refused",
    message: /more than 3 deep/,
  });
});

describe("a registry that", () => {
  const BIG = { path: "big", content: randomBytes(3_000_000) };

  test("stalls in the middle of a layer is given up; the next try goes on from there", async (t) => {
    const { registry, paths, store } = await setting(t);
    const ref = registry.image("slow", [await registry.layerOf([BIG])]);
    const ranges: string[] = [];
    let stalls = true;
    registry.intercept = (request, reply, url) => {
      if (!isBlob(url)) return false;
      if (request.headers.range) ranges.push(request.headers.range);
      const end = reply.end.bind(reply);
      reply.end = ((bytes: Buffer) => {
        if (!stalls || bytes.length < 100_000) return end(bytes);
        // A few bytes each time, so that each try is worth the next one; then none.
        return ranges.length < 3 ? reply.write(bytes.subarray(0, 500_000)) : reply;
      }) as typeof reply.end;
      return false;
    };
    await assert.rejects(store.ensure(ref, work), {
      code: "registry_unreachable",
      message: /nothing came for 0.2 s/,
    });
    assert.equal(
      (await readdir(join(paths.cache, "layers"))).filter((name) => name.startsWith("partial-")).length,
      1,
    );
    stalls = false;
    ranges.length = 0;
    assert.equal((await store.ensure(ref, work)).source, "registry");
    assert.match(ranges[0] ?? "", /^bytes=1500000-$/);
  });

  test("asks for patience gets it, by seconds and by date", async (t) => {
    const { registry, store } = await setting(t);
    for (const [tag, status, patience] of [
      ["seconds", 429, () => "1"],
      ["date", 500, () => new Date(Date.now() + 2000).toUTCString()],
    ] as const) {
      const ref = registry.image(tag, [await registry.layerOf([{ path: tag, content: "x" }])]);
      const times: number[] = [];
      registry.intercept = (_, reply, url) => {
        if (!url.pathname.endsWith(`/manifests/${tag}`)) return false;
        times.push(performance.now());
        return times.length === 1 && !!reply.writeHead(status, { "retry-after": patience() }).end();
      };
      assert.equal((await store.ensure(ref, work)).source, "registry");
      const [first = 0, second = 0] = times;
      // A date has whole seconds.
      assert.ok(second - first >= 950, `${tag}: ${second - first} ms`);
    }
  });

  test("wants a login for ever, or forbids, is asked twice at most and told", async (t) => {
    const { registry, store } = await setting(t, {
      credentials: async () => ({ username: "u", password: "s3cret" }),
    });
    const ref = registry.image("locked", [await registry.layerOf([{ path: "x", content: "x" }])]);
    let asked = 0;
    registry.intercept = (_, reply, url) => {
      if (url.pathname === "/v2/") return false;
      asked += 1;
      return !!reply.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
    };
    await assert.rejects(store.ensure(ref, work), (error: Error & { code: string }) => {
      assert.equal(error.code, "registry_denied");
      assert.doesNotMatch(`${error.message} ${error.stack}`, /s3cret/);
      return true;
    });
    assert.equal(asked, 2);
    registry.intercept = (_, reply, url) => url.pathname !== "/v2/" && !!reply.writeHead(403).end();
    await assert.rejects(store.ensure(ref, work), { code: "registry_denied" });
  });
});

test("a host that does not even connect is given up as one that stalls", async (t) => {
  // Its queue of connections is full, and it takes none out of it.
  const listener = `require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () {
    process.stdout.write(String(this.address().port), () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  });`;
  const abort = new AbortController();
  t.after(() => abort.abort());
  const { stdout } = open(process.execPath, ["-e", listener], { signal: abort.signal });
  const [port] = (await once(stdout, "data")) as [Buffer];
  const waiting = Array.from({ length: 6 }, () => connect(Number(port), "127.0.0.1").on("error", () => {}));
  t.after(() => waiting.forEach((socket) => void socket.destroy()));
  await once(waiting[1] as Socket, "connect");
  const { store } = await setting(t);
  await assert.rejects(store.ensure(`127.0.0.1:${port}/test/image:1`, work), {
    code: "registry_unreachable",
    message: /nothing came for 0.2 s/,
  });
});

test("a disk that is full in the middle of a layer is named; with room the image comes", async (t) => {
  const registry = await ScriptedRegistry.start();
  t.after(() => registry[Symbol.asyncDispose]());
  const ref = registry.image("large", [
    await registry.layerOf([{ path: "small", content: "x" }]),
    await registry.layerOf([{ path: "large", content: randomBytes(8_000_000) }]),
  ]);
  const script = join(import.meta.dirname, "../support/pull-on-small-disk.ts");
  const inside = ["--user", "--map-root-user", "--mount", process.execPath, script, temporaryFolder(t), ref];
  const { stdout } = await run("unshare", inside).catch((error: Error) => {
    if (/unshare failed|Operation not permitted/.test(String((error as { stderr?: string }).stderr)))
      return { stdout: "" };
    throw error;
  });
  if (stdout === "") return t.skip("this host does not let its users mount in namespaces of their own");
  const tries = JSON.parse(stdout) as Record<
    "full" | "roomy",
    { outcome: ErrorBody | string; left: string[] }
  >;
  const told = tries.full.outcome as ErrorBody;
  assert.equal(told.code, "no_space");
  assert.match(told.message, /layer sha256:/);
  assert.ok(
    tries.full.left.every((name) => /^[0-9a-f]{64}$/.test(name)),
    "whole layers at most",
  );
  assert.equal(tries.roomy.outcome, "pulled");
});
