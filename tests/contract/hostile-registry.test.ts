/** Registries and images that mean harm, or are only ill: refused or survived, named, nothing published, nothing poisoned. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { silent, type Work } from "../../src/core/stage.ts";
import type { Paths } from "../../src/host/paths.ts";
import { findCredentials } from "../../src/images/oci/credentials.ts";
import type { RegistryOptions } from "../../src/images/oci/registry.ts";
import { ImageStore } from "../../src/images/store.ts";
import { ScriptedRegistry } from "../support/scripted-registry.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";

const work: Work = { report: silent, signal: new AbortController().signal };
const login = { username: "reader", password: "s3cret-word" };
const FAST: RegistryOptions = { pauseMs: 1, stallMs: 200, credentials: async () => null };

async function setting(t: TestContext, options: RegistryOptions = {}) {
  const registry = await ScriptedRegistry.start();
  t.after(() => registry[Symbol.asyncDispose]());
  const paths = temporaryPaths(t);
  const store = new ImageStore({ paths, registry: { ...FAST, ...options } });
  return { registry, paths, store };
}

/** No image, no half layer: what is left can only be whole layers. */
async function nothingLeft(paths: Paths, store: ImageStore): Promise<void> {
  assert.deepEqual(await store.list(), []);
  const names = [
    ...(await readdir(join(paths.state, "images")).catch(() => [])),
    ...(await readdir(join(paths.cache, "layers")).catch(() => [])),
  ];
  assert.deepEqual(
    names.filter((name) => /^(\.tmp|partial)/.test(name)),
    [],
  );
}

describe("an image is refused, and nothing of it kept, when", () => {
  const FILE = { path: "etc/file", content: "content" };

  for (const [what, entries, message] of [
    [
      "a name leaves it",
      [{ path: "../../escape", content: "x" }],
      /layer 2 \(sha256:\w+\): '..\/..\/escape': .*'\.\.'/,
    ],
    [
      "a hard link leaves it",
      [{ path: "x", type: "hardlink", link: "../../etc/passwd" }],
      /layer 2 .*'x': .*'\.\.'/,
    ],
    [
      "a hard link names nothing",
      [{ path: "x", type: "hardlink", link: "/etc/shadow" }],
      /'x': .*nothing that is in/,
    ],
    ["a whiteout hides its parent", [{ path: "etc/.wh.." }], /hides nothing/],
    ["a name is two kinds of thing", [{ path: "x/" }, { path: "x", content: "x" }], /same layer/],
    [
      "symlinks go in a circle",
      [
        { path: "a", type: "symlink", link: "a" },
        { path: "a/b", content: "x" },
      ],
      /circle/,
    ],
  ] as const) {
    test(what, async (t) => {
      const { registry, paths, store } = await setting(t);
      const layers = [await registry.layerOf([FILE]), await registry.layerOf(entries)];
      await assert.rejects(store.ensure(registry.image("bad", layers), work), {
        code: "image_refused",
        message,
      });
      await nothingLeft(paths, store);
      const good = registry.image("good", [await registry.layerOf([FILE])]);
      assert.equal((await store.ensure(good, work)).source, "registry", "the layers that it shares are fine");
    });
  }

  test("a layer is cut off, damaged, padded or something else, by its digest or by itself", async (t) => {
    const { registry, paths, store } = await setting(t);
    const whole = await registry.layerOf([FILE]);
    const tar = Buffer.from("no tar at all".repeat(100));
    for (const [tag, layer, message] of [
      ["no-tar", registry.layer(tar), /checksum/],
      ["cut-gzip", registry.layer(tar, gzipSync(Buffer.alloc(10_240)).subarray(0, 20)), /damaged or cut off/],
      ["bzip2", registry.layer(tar, Buffer.from("BZh91AY&SY")), /bzip2/],
      ["lie", { ...whole, diffId: `sha256:${"0".repeat(64)}` }, /layer 1 contains/],
      [
        "short",
        { ...whole, descriptor: { ...whole.descriptor, size: whole.descriptor.size + 9 } },
        /promised/,
      ],
      ["long", { ...whole, descriptor: { ...whole.descriptor, size: 50 } }, /promised/],
      [
        "foreign",
        {
          ...whole,
          descriptor: {
            ...whole.descriptor,
            mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
          },
        },
        /does not hand out/,
      ],
      ["odd", { ...whole, descriptor: { ...whole.descriptor, mediaType: "text/html" } }, /media type/],
    ] as const) {
      const ref = registry.image(tag, [layer]);
      await assert.rejects(store.ensure(ref, work), { code: "image_refused", message }, tag);
      await nothingLeft(paths, store);
    }
  });

  test("a small blob becomes far more than there may be", async (t) => {
    const { registry, paths } = await setting(t);
    const { LayerStore } = await import("../../src/images/oci/layer-store.ts");
    const layers = new LayerStore(join(paths.cache, "layers"), { entries: 10, bytes: 1024 * 1024 });
    const zeros = Buffer.alloc(64 * 1024 * 1024);
    for (const bomb of [gzipSync(zeros), zstdCompressSync(zeros)]) {
      const { digest, size } = registry.blob(Buffer.concat([bomb]), "x");
      const header = bomb; // zeros are an empty archive with much behind its end
      const wanted = {
        digest: digest.slice(7),
        size,
        open: async function* () {
          yield header;
        },
      };
      await assert.rejects(
        layers.ensure(wanted, work, () => {}),
        /more than \d+ bytes/,
      );
    }
  });

  test("its documents are not what they seem", async (t) => {
    const { registry, paths, store } = await setting(t);
    const layer = await registry.layerOf([FILE]);
    const many = Array.from({ length: 10_000 }, () => layer);
    const index = "application/vnd.oci.image.index.v1+json";
    registry.manifest(
      "loop",
      {
        schemaVersion: 2,
        mediaType: index,
        manifests: [registry.manifest("inner", { schemaVersion: 2, mediaType: index, manifests: [] }, index)],
      },
      index,
    );
    registry.manifest(
      "old",
      { schemaVersion: 1, fsLayers: [] },
      "application/vnd.docker.distribution.manifest.v1+json",
    );
    registry.manifest("text", "hello", "text/plain");
    const at = (tag: string) => `${registry.host}/test/image:${tag}`;
    for (const [ref, message] of [
      [registry.image("many", many), /10000 layers/],
      [registry.image("arch", [layer], { config: { architecture: "s390x" } }), /linux\/s390x/],
      [
        registry.image("fewer", [layer], { config: { rootfs: { diff_ids: [] } } }),
        /1 layers, its configuration 0/,
      ],
      [
        registry.image("chart", [layer], {
          manifest: { config: registry.blob(Buffer.from("{}"), "application/vnd.cncf.helm.config.v1+json") },
        }),
        /no machine image/,
      ],
      [at("loop"), /not made for/],
      [at("old"), /old or unknown version/],
      [at("text"), /old or unknown version|malformed/],
    ] as const) {
      await assert.rejects(store.ensure(ref, work), { code: "image_refused", message }, ref);
    }
    const good = registry.image("good", [layer]);
    registry.intercept = (_, reply, url) => {
      if (!url.pathname.includes("/manifests/")) return false;
      reply
        .writeHead(200, {
          "content-type": "application/vnd.oci.image.manifest.v1+json",
          "docker-content-digest": `sha256:${"1".repeat(64)}`,
        })
        .end("{}");
      return true;
    };
    await assert.rejects(store.ensure(good, work), { code: "image_refused", message: /has the digest/ });
    registry.intercept = (_, reply, url) => {
      if (!url.pathname.includes("/manifests/")) return false;
      reply.writeHead(200).end(Buffer.alloc(5 * 1024 * 1024));
      return true;
    };
    await assert.rejects(store.ensure(good, work), { code: "image_refused", message: /more than/ });
    await nothingLeft(paths, store);
  });
});

describe("a registry that", () => {
  const BIG = { path: "big", content: randomBytes(3_000_000) };

  test("breaks off is gone on with where it broke, and after a restart, too", async (t) => {
    const { registry, paths, store } = await setting(t);
    const ref = registry.image("big", [await registry.layerOf([BIG])]);
    const ranges: (string | undefined)[] = [];
    let breaks = 2;
    registry.intercept = (request, reply, url) => {
      if (!url.pathname.includes("/blobs/")) return false;
      ranges.push(request.headers.range);
      const write = reply.write.bind(reply);
      const end = reply.end.bind(reply);
      if (breaks-- > 0)
        reply.end = ((bytes: Buffer) => {
          if (bytes.length < 100_000) return end(bytes);
          write(bytes.subarray(0, 1_000_000), () => reply.destroy());
          return reply;
        }) as typeof reply.end;
      return false;
    };
    breaks = 3; // the configuration is the first blob
    assert.equal((await store.ensure(ref, work)).source, "registry");
    assert.ok(
      ranges.some((range) => /^bytes=[1-9]\d{3,}-$/.test(range ?? "")),
      JSON.stringify(ranges),
    );

    // A former process' half, damaged: noticed by the digest, fetched anew.
    const other = registry.image("other", [await registry.layerOf([{ ...BIG, path: "other" }])]);
    registry.intercept = () => false;
    const manifest = (await (
      await fetch(`http://${registry.host}/v2/test/image/manifests/other`)
    ).json()) as { layers: { digest: string }[] };
    await writeFile(
      join(paths.cache, "layers", `partial-${manifest.layers[0]?.digest.slice(7)}`),
      randomBytes(50_000),
    );
    assert.equal((await store.ensure(other, work)).source, "registry");
  });

  test("stalls is given up after a while, with what came kept", async (t) => {
    const { registry, store } = await setting(t);
    const ref = registry.image("slow", [await registry.layerOf([BIG])]);
    registry.intercept = (_, __, url) => url.pathname.includes("/manifests/");
    await assert.rejects(store.ensure(ref, work), {
      code: "registry_unreachable",
      message: /nothing came for 0.2 s/,
    });
  });

  test("is overloaded is asked again, with the patience that it asks for, and not for ever", async (t) => {
    const { registry, store } = await setting(t);
    const ref = registry.image("busy", [await registry.layerOf([{ path: "x", content: "x" }])]);
    let refusals = 3;
    registry.intercept = (_, reply, url) => {
      if (!url.pathname.includes("/manifests/") || refusals-- <= 0) return false;
      reply.writeHead(refusals % 2 ? 503 : 429, { "retry-after": "0" }).end();
      return true;
    };
    assert.equal((await store.ensure(ref, work)).source, "registry");
    refusals = 1000;
    await assert.rejects(store.pull(ref, work), { code: "registry_failed", message: /answers (429|503)/ });
  });

  test("redirects elsewhere gets no login sent along, and may not lead away from safety", async (t) => {
    const { registry, store } = await setting(t, { credentials: async () => login });
    const ref = registry.image("moved", [await registry.layerOf([{ path: "x", content: "x" }])]);
    const seen: (string | undefined)[] = [];
    const elsewhere = createServer((request, reply) => {
      seen.push(request.headers.authorization);
      void fetch(`http://${registry.host}${request.url}`, { headers: { authorization: "test" } }).then(
        async (answer) => reply.end(Buffer.from(await answer.arrayBuffer())),
      );
    }).listen(0, "127.0.0.1");
    t.after(() => elsewhere.close());
    await new Promise((resolve) => elsewhere.once("listening", resolve));
    const other = `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;
    const sent: string[] = [];
    registry.intercept = (request, reply, url) => {
      const { authorization } = request.headers;
      if (authorization === undefined && url.pathname !== "/v2/") {
        reply.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
        return true;
      }
      if (authorization) sent.push(authorization);
      if (!url.pathname.includes("/blobs/") || authorization === "test") return false;
      reply.writeHead(307, { location: `http://${other}${url.pathname}` }).end();
      return true;
    };
    assert.equal((await store.ensure(ref, work)).source, "registry");
    assert.ok(sent.some((header) => header.startsWith("Basic ")));
    assert.ok(seen.length > 0);
    assert.deepEqual(new Set(seen), new Set([undefined]));

    const gone = registry.image("gone", [await registry.layerOf([{ path: "y", content: "y" }])]);
    for (const location of ["http://192.0.2.1/blob", "file:///etc/passwd", `http://${registry.host}/again`]) {
      registry.intercept = (_, reply, url) => {
        if (!url.pathname.includes("/blobs/") && !url.pathname.includes("/again")) return false;
        reply.writeHead(302, { location }).end();
        return true;
      };
      await assert.rejects(store.ensure(gone, work), {
        code: "registry_unreachable",
        message: /without TLS|redirect/,
      });
    }
  });

  test("gives tokens is asked for one with the login, which goes to nobody else", async (t) => {
    const { registry, store } = await setting(t, { credentials: async () => login });
    const ref = registry.image("token", [await registry.layerOf([{ path: "x", content: "x" }])]);
    let realm = `http://${registry.host}/token`;
    const basic: string[] = [];
    registry.intercept = (request, reply, url) => {
      const { authorization = "" } = request.headers;
      if (url.pathname === "/token") {
        basic.push(authorization);
        assert.equal(url.searchParams.get("scope"), "repository:test/image:pull");
        reply.end(JSON.stringify({ token: "abc" }));
        return true;
      }
      if (url.pathname === "/v2/" || authorization === "Bearer abc") return false;
      assert.ok(!authorization.startsWith("Basic"));
      reply.writeHead(401, { "www-authenticate": `Bearer realm="${realm}",service="test"` }).end();
      return true;
    };
    assert.equal((await store.ensure(ref, work)).source, "registry");
    assert.deepEqual(basic, [`Basic ${Buffer.from("reader:s3cret-word").toString("base64")}`]);
    realm = "http://192.0.2.1/token";
    const next = registry.image("unsafe", [await registry.layerOf([{ path: "z", content: "z" }])]);
    await assert.rejects(store.ensure(next, work), (error: Error & { code: string }) => {
      assert.equal(error.code, "registry_denied");
      assert.match(error.message, /no safe address/);
      assert.doesNotMatch(`${error.message} ${error.stack}`, /s3cret/);
      return true;
    });
  });
});

describe("logins", () => {
  test("are found where docker and podman keep them, by the longest fitting key, and helpers are asked", async (t) => {
    const home = temporaryFolder(t);
    const env = { HOME: home, XDG_RUNTIME_DIR: join(home, "run") };
    const auth = (pair: string) => ({ auth: Buffer.from(pair).toString("base64") });
    await mkdir(join(home, ".docker"), { recursive: true });
    await mkdir(join(home, "run/containers"), { recursive: true });
    await writeFile(
      join(home, ".docker/config.json"),
      JSON.stringify({
        auths: {
          "https://index.docker.io/v1/": auth("hub:one"),
          "r.example": auth("docker:two"),
          "t.example": { identitytoken: "tok" },
        },
        credHelpers: { "h.example": "banger-test" },
      }),
    );
    await writeFile(
      join(home, "run/containers/auth.json"),
      JSON.stringify({
        auths: { "r.example/team/app": auth("podman:th:ree"), "r.example/team": auth("team:four") },
      }),
    );
    const bin = join(home, "bin");
    await mkdir(bin);
    const helper =
      '#!/bin/sh\nread server\n[ "$server" = h.example ] && echo \'{"Username":"<token>","Secret":"from helper"}\'\n';
    await writeFile(join(bin, "docker-credential-banger-test"), helper, { mode: 0o755 });
    const path = process.env.PATH;
    process.env.PATH = `${bin}:${path}`;
    t.after(() => {
      process.env.PATH = path;
    });
    for (const [registry, repository, found] of [
      ["docker.io", "library/python", { username: "hub", password: "one" }],
      ["r.example", "team/app", { username: "podman", password: "th:ree" }],
      ["r.example", "team/other", { username: "team", password: "four" }],
      ["r.example", "else", { username: "docker", password: "two" }],
      ["t.example", "x", { identityToken: "tok" }],
      ["h.example", "x", { identityToken: "from helper" }],
      ["none.example", "x", null],
    ] as const) {
      assert.deepEqual(await findCredentials(registry, repository, env), found, `${registry}/${repository}`);
    }
    await writeFile(join(home, "run/containers/auth.json"), '{"auths": {"r.example": "s3cret"');
    await assert.rejects(findCredentials("r.example", "x", env), (error: Error & { code: string }) => {
      assert.equal(error.code, "registry_login_unreadable");
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /s3cret/);
      return true;
    });
  });
});
