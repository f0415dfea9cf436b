/** Images of a real registry become exactly the tree that umoci unpacks, whatever stands in their layers. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { type Reporter, silent, type Work } from "../../src/core/stage.ts";
import { run } from "../../src/host/run.ts";
import { findTool, requireTools } from "../../src/host/tools.ts";
import { ImageStore } from "../../src/images/store.ts";
import { Buildah, buildahMissing, DISTROLESS, DISTROLESS_CONFIG } from "../support/buildah.ts";
import { BUSYBOX, ImageMaker } from "../support/images.ts";
import { OPENRC, openrcMissing } from "../support/openrc.ts";
import { registriesMissing, startRegistry, type TestRegistry } from "../support/registry.ts";
import { ScriptedRegistry } from "../support/scripted-registry.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";
import { describeTree, differences } from "../support/trees.ts";

const work: Work = { report: silent, signal: new AbortController().signal };

const IMAGES: Readonly<Record<string, readonly string[]>> = {
  busybox: [
    `${BUSYBOX}
    cp bin/busybox bin/su; chmod 4755 bin/su; cp bin/busybox bin/ping; setcap cap_net_raw+ep bin/ping
    echo secret > etc/shadow; chmod 000 etc/shadow; setfattr -n user.note -v hello etc/passwd
    mkdir -p var/a/b opaque/old tmp; chmod 1777 tmp; echo x > var/a/b/gone; echo o > opaque/old/x
    printf 'n\\303\\244me with space' > "etc/$(printf 'n\\303\\244me\\377')"; mkfifo etc/fifo; : > etc/empty
    echo A > var/hl1; ln var/hl1 var/hl2; ln -s ../../../../etc/passwd var/up`,
    "rm -r var/a/b opaque; mkdir opaque; echo n > opaque/new; rm var/hl1; echo l > usr/lib/x; ln var/hl2 var/hl3",
    "echo changed > etc/group; rm etc/fifo; mkdir etc/fifo; echo in > etc/fifo/in; chown 5000000:4000000000 var",
    "rm -r etc/fifo; ln -s group etc/fifo; chmod 711 var; rm var/up; echo file > var/up",
  ],
  scratch: ['cp "$(command -v busybox)" app'],
  deep: [
    'p=.; i=0; while [ $i -lt 60 ]; do p=$p/$(printf "d%.0s" $(seq 60)); i=$((i+1)); done; mkdir -p $p; echo end > $p/file',
    "mkdir x; cd x; i=0; while [ $i -lt 900 ]; do echo $i > $i; [ $i -gt 0 ] && ln 0 link$i; i=$((i+1)); done",
  ],
  ...((await openrcMissing())
    ? {}
    : { openrc: [OPENRC, "rm -r etc/init.d/agetty lib/rc/sh; echo 1 > sbin/rc"] }),
};

const noBuildah = await buildahMissing();

async function unsquashed(t: TestContext, rootfs: string): Promise<string> {
  const target = join(temporaryFolder(t), "tree");
  await run("unsquashfs", ["-no-progress", "-quiet", "-d", target, rootfs]);
  return target;
}

describe("an image of a registry", { skip: await registriesMissing() }, () => {
  let maker: ImageMaker;
  let registry: TestRegistry;

  before(async () => {
    maker = await ImageMaker.make();
    registry = await startRegistry();
    for (const [name, scripts] of Object.entries(IMAGES)) {
      await maker.image(name, scripts, { config: ["--config.env", "GREETING=hi", "--config.user", "7:8"] });
    }
  });

  after(async () => {
    await registry?.[Symbol.asyncDispose]();
    await maker?.[Symbol.asyncDispose]();
  });

  for (const name of Object.keys(IMAGES)) {
    test(`${name}: every path is as umoci unpacks it`, async (t) => {
      const ref = await registry.push(maker.layout, name, `team/${name}:1`);
      const image = await new ImageStore({ paths: temporaryPaths(t) }).ensure(ref, work);
      const [actual, expected] = await Promise.all([
        describeTree(await unsquashed(t, image.rootfs)),
        describeTree(await maker.reference(name)),
      ]);
      assert.deepEqual(differences(actual, expected), []);
      assert.deepEqual([image.env, image.run.user], [{ GREETING: "hi" }, "7:8"]);
    });
  }

  test("one that buildah made: every path is as buildah unpacks it", { skip: noBuildah }, async (t) => {
    await using buildah = await Buildah.make();
    await buildah.image("distroless", DISTROLESS, DISTROLESS_CONFIG);
    const ref = await registry.push(buildah.layout("distroless"), "distroless", "team/distroless:1");
    const image = await new ImageStore({ paths: temporaryPaths(t) }).ensure(ref, work);
    const [actual, expected] = await Promise.all([
      describeTree(await unsquashed(t, image.rootfs)),
      describeTree(await buildah.reference("distroless")),
    ]);
    assert.deepEqual(differences(actual, expected), []);
    assert.deepEqual(image.run, {
      user: "nonroot",
      workingDirectory: "/home/nonroot",
      entrypoint: ["/usr/bin/id"],
      command: [],
    });
  });

  test("is fetched once, is used without the registry, and again only when its tag has moved", async (t) => {
    const paths = temporaryPaths(t);
    let stages: string[] = [];
    const watched: Work = { ...work, report: { ...silent, stage: (name) => stages.push(name) } };
    const ref = await registry.push(maker.layout, "scratch", "team/moving:1");
    const store = new ImageStore({ paths });
    const [first, same] = await Promise.all([store.pull(ref, watched), store.pull(ref, watched)]);
    assert.equal(same.digest, first.digest);
    assert.equal(stages.filter((stage) => stage === "making the image").length, 1);

    stages = [];
    assert.equal((await store.ensure(ref, watched)).digest, first.digest);
    assert.deepEqual(stages, [], "one that is here asks nobody");
    assert.equal((await store.pull(ref, watched)).digest, first.digest);
    assert.deepEqual(stages, ["asking the registry"]);

    await registry.push(maker.layout, "busybox", "team/moving:1");
    const moved = await store.pull(ref, watched);
    assert.notEqual(moved.digest, first.digest);
    assert.equal((await store.ensure(ref, work)).digest, moved.digest);
    const pinned = `${registry.host}/team/moving@${first.origin}`;
    stages = [];
    assert.equal((await store.ensure(pinned, watched)).digest, first.digest, "the former one by its digest");
    assert.ok(!stages.includes("fetching layers"), "which is here");
  });

  test("shares layers with others: only what is new is fetched", async (t) => {
    const paths = temporaryPaths(t);
    await maker.image("more", ["echo more > more"], { from: "scratch" });
    const refs = [
      await registry.push(maker.layout, "scratch", "team/one:1"),
      await registry.push(maker.layout, "more", "team/two:1"),
    ];
    const store = new ImageStore({ paths });
    await store.ensure(refs[0] ?? "", work);
    const layers = join(paths.cache, "layers");
    const [layer = ""] = await readdir(layers);
    const { ino } = await stat(join(layers, layer, "blob"));
    await store.ensure(refs[1] ?? "", work);
    assert.equal((await readdir(layers)).length, 2);
    assert.equal((await stat(join(layers, layer, "blob"))).ino, ino);
  });
});

test("of an image that shares nine of its ten layers with one that is here, one layer is asked for", async (t) => {
  await using registry = await ScriptedRegistry.start();
  const layers = await Promise.all(
    Array.from({ length: 11 }, (_, at) => registry.layerOf([{ path: `file${at}`, content: `${at}` }])),
  );
  const first = registry.image("first", layers.slice(0, 10));
  const second = registry.image("second", [...layers.slice(0, 9), ...layers.slice(10)]);
  const store = new ImageStore({ paths: temporaryPaths(t) });
  const asked = () =>
    registry.asked
      .splice(0)
      .map((request) => request.split("/blobs/").at(-1))
      .filter((digest) => layers.some(({ descriptor }) => descriptor.digest === digest));
  await store.ensure(first, work);
  assert.equal(asked().length, 10);
  await store.ensure(second, work);
  assert.deepEqual(asked(), [layers[10]?.descriptor.digest]);
});

test("of an index for several machines, this machine's image is taken", async (t) => {
  await using registry = await ScriptedRegistry.start();
  const own = process.arch === "x64" ? "amd64" : process.arch;
  const manifests = [];
  for (const architecture of ["s390x", own, "riscv64"]) {
    const layer = await registry.layerOf([{ path: architecture, content: "x" }]);
    registry.image(architecture, [layer], { config: { architecture } });
    manifests.push({ ...registry.descriptor(architecture), platform: { os: "linux", architecture } });
  }
  const type = "application/vnd.oci.image.index.v1+json";
  const { digest } = registry.manifest("all", { schemaVersion: 2, mediaType: type, manifests }, type);
  const image = await new ImageStore({ paths: temporaryPaths(t) }).ensure(
    `${registry.host}/test/image:all`,
    work,
  );
  assert.equal(image.origin, digest, "the index is what is pinned");
  assert.deepEqual(await readdir(await unsquashed(t, image.rootfs)), [own]);
});

test("what builds Debian's images is not needed for an image of a registry", async (t) => {
  const bin = temporaryFolder(t);
  for (const name of ["sqfstar", "unshare", "newuidmap", "fakeroot", "fakechroot"]) {
    const program = await findTool(name);
    if (program) await symlink(program, join(bin, name));
  }
  const { PATH } = process.env;
  process.env.PATH = bin;
  t.after(() => {
    process.env.PATH = PATH;
  });
  await assert.rejects(requireTools("image"), { code: "host_packages_missing", message: /mmdebstrap/ });
  await using registry = await ScriptedRegistry.start();
  const ref = registry.image("plain", [await registry.layerOf([{ path: "file", content: "x" }])]);
  await new ImageStore({ paths: temporaryPaths(t) }).ensure(ref, work);
});

test("layers come three at a time, and how far each is is told", async (t) => {
  await using registry = await ScriptedRegistry.start();
  const layers = await Promise.all(
    [1, 2, 3, 4].map((at) => registry.layerOf([{ path: `file${at}`, content: randomBytes(100_000) }])),
  );
  const held: (() => void)[] = [];
  let told: string[] = [];
  registry.intercept = (_, reply, url) => {
    const isLayer = layers.some(({ descriptor }) => url.pathname.endsWith(descriptor.digest));
    if (!isLayer || told.length > 0) return false;
    const end = reply.end.bind(reply);
    reply.end = ((bytes: Buffer) => {
      held.push(() => end(bytes.subarray(1000)));
      reply.write(bytes.subarray(0, 1000));
      return reply;
    }) as typeof reply.end;
    return false;
  };
  const progress: Reporter["progress"] = ({ parts = [] }) => {
    if (told.length > 0 || parts.length < 3) return;
    told = parts.map(({ name, done }) => `${name} ${done}`);
    for (const release of held) release();
  };
  const following: Work = { ...work, report: { ...silent, progress } };
  await new ImageStore({ paths: temporaryPaths(t) }).ensure(registry.image("four", layers), following);
  const names = layers.slice(0, 3).map(({ descriptor }) => `${descriptor.digest.slice(7, 19)} 1000`);
  assert.deepEqual(told, names);
});

describe("a registry with TLS and a login", { skip: await registriesMissing() }, () => {
  test("is used with the user's authority and login, and refused without", async (t) => {
    await using maker = await ImageMaker.make();
    await using registry = await startRegistry({ login: true, tls: true });
    await maker.image("private", IMAGES.scratch ?? []);
    const ref = await registry.push(maker.layout, "private", "team/private:1");
    const paths = temporaryPaths(t);
    const home = join(paths.config, "home");
    const former = { HOME: process.env.HOME, XDG_CONFIG_HOME: process.env.XDG_CONFIG_HOME };
    t.after(() => {
      for (const [name, value] of Object.entries(former)) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    });
    process.env.HOME = home;
    delete process.env.XDG_CONFIG_HOME;

    const attempt = () => new ImageStore({ paths }).ensure(ref, work);
    await assert.rejects(attempt(), { code: "registry_unreachable", message: /self.signed/ });

    const certs = join(home, ".config/containers/certs.d", registry.host);
    await mkdir(certs, { recursive: true });
    await run("cp", [registry.certificate ?? "", join(certs, "ca.crt")]);
    await assert.rejects(attempt(), { code: "registry_denied", message: /wants a login/ });

    const login = async (password: string) => {
      const auth = Buffer.from(`${registry.login?.username}:${password}`).toString("base64");
      await mkdir(join(home, ".docker"), { recursive: true });
      await writeFile(
        join(home, ".docker/config.json"),
        JSON.stringify({ auths: { [registry.host]: { auth } } }),
      );
    };
    await login("wrong-word");
    await assert.rejects(attempt(), (error: Error & { code: string }) => {
      assert.equal(error.code, "registry_denied");
      assert.doesNotMatch(JSON.stringify(error) + error.message, /wrong-word/);
      return true;
    });
    await login(registry.login?.password ?? "");
    assert.equal((await attempt()).source, "registry");
  });
});
