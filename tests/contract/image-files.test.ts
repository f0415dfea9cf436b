/** Images as files: what skopeo, umoci and tar write is imported, what is exported they read, and both keep every path. */
import assert from "node:assert/strict";
import { createReadStream, createWriteStream } from "node:fs";
import { cp, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { after, before, describe, type TestContext, test } from "node:test";
import { createGzip, createZstdCompress } from "node:zlib";
import { silent, type Work } from "../../src/core/stage.ts";
import { run } from "../../src/host/run.ts";
import { findTool } from "../../src/host/tools.ts";
import { exportImage } from "../../src/images/oci/export.ts";
import { ImageStore } from "../../src/images/store.ts";
import { BUSYBOX, ImageMaker } from "../support/images.ts";
import { registriesMissing } from "../support/registry.ts";
import { temporaryFolder, temporaryPaths } from "../support/temporary.ts";
import { describeTree, differences } from "../support/trees.ts";

const work: Work = { report: silent, signal: new AbortController().signal };
const missing =
  (await registriesMissing()) || ((await findTool("sqfs2tar")) ? false : "sqfs2tar is not installed");

describe("an image", { skip: missing }, () => {
  let maker: ImageMaker;
  let expected: string[];
  let tree: string;

  before(async () => {
    maker = await ImageMaker.make();
    const odd = `${BUSYBOX}
      cp bin/busybox bin/su; chmod 4755 bin/su; cp bin/busybox bin/raw; setcap cap_net_raw+ep bin/raw
      printf x > "etc/$(printf 'n\\303\\244\\377')"; mkfifo pipe; chown 5000000:77 srv; chmod 1777 srv; : > etc/empty
      long=$(printf 'l%.0s' $(seq 120)); ln -s "../../$long" etc/long; ln -s "/$long" etc/root; mkdir "$long"; echo 1 > "$long/$long"`;
    await maker.image("app", [odd, "rm etc/empty; echo two > srv/two"], {
      config: [
        ...["--config.env", "A=b", "--config.user", "app", "--config.workingdir", "/srv"],
        ...["--config.entrypoint", "/bin/sh", "--config.cmd", "-c"],
      ],
    });
    await maker.image("other", ["echo other > other"]);
    tree = await maker.reference("app");
    expected = await describeTree(tree);
  });

  after(() => maker?.[Symbol.asyncDispose]());

  async function treeOf(t: TestContext, rootfs: string): Promise<string[]> {
    const { stdout: root } = await run("unsquashfs", ["-lln", rootfs], { env: { TZ: "UTC" } });
    assert.match(root, /1970-01-01 00:00 squashfs-root$/m, "no time of this host's is in it");
    const target = join(temporaryFolder(t), "tree");
    await run("unsquashfs", ["-no-progress", "-quiet", "-d", target, rootfs]);
    return describeTree(target);
  }

  async function imported(
    t: TestContext,
    path: string,
    name: string | null = null,
    tag: string | null = null,
  ) {
    const paths = temporaryPaths(t);
    const store = new ImageStore({ paths });
    const image = await store.import({ path, name, tag }, work);
    assert.deepEqual(differences(await treeOf(t, image.rootfs), expected), []);
    return { image, store, paths };
  }

  const settings = {
    env: { A: "b" },
    run: { user: "app", workingDirectory: "/srv", entrypoint: ["/bin/sh"], command: ["-c"] },
  };

  test("comes in as an OCI layout, one of several in it", async (t) => {
    const { image } = await imported(t, maker.layout, "team/app:1", "app");
    assert.deepEqual({ env: image.env, run: image.run }, settings);
    assert.equal(image.name, "team/app:1");
    const store = new ImageStore({ paths: temporaryPaths(t) });
    await assert.rejects(store.import({ path: maker.layout, name: "x", tag: null }, work), {
      code: "image_refused",
      message: /several images.*app.*other/s,
    });
  });

  for (const kind of ["docker-archive", "oci-archive"]) {
    test(`comes in as skopeo's ${kind}, compressed or not, under its own name`, async (t) => {
      const folder = temporaryFolder(t);
      const file = join(folder, "image.tar");
      const from = `oci:${maker.layout}:app`;
      const reference = kind === "docker-archive" ? "docker.io/team/app:2" : "team/app:2";
      await run("skopeo", ["copy", "-q", from, `${kind}:${file}:${reference}`]);
      const { image } = await imported(t, file);
      assert.deepEqual(
        { name: image.name, env: image.env, run: image.run },
        { name: "team/app:2", ...settings },
      );
      await pipeline(createReadStream(file), createGzip(), createWriteStream(`${file}.gz`));
      await imported(t, `${file}.gz`, "named");
    });
  }

  test("comes in as the tar of a root filesystem, compressed or not; its layer is not kept", async (t) => {
    const file = join(temporaryFolder(t), "rootfs.tar");
    await run("tar", [
      "-C",
      tree,
      "--xattrs",
      "--xattrs-include=*",
      "--format=pax",
      "--numeric-owner",
      "-cf",
      file,
      ".",
    ]);
    const { image, paths } = await imported(t, file, "rootfs");
    assert.equal(image.name, "rootfs:latest");
    assert.deepEqual(await readdir(join(paths.cache, "layers")), []);
    await pipeline(createReadStream(file), createZstdCompress(), createWriteStream(`${file}.zst`));
    await imported(t, `${file}.zst`, "rootfs");
  });

  test("with a file of 4 GiB that is one hole comes in, and stays small", async (t) => {
    const folder = temporaryFolder(t);
    await run("sh", ["-c", 'cd "$0"; truncate -s 4G big; tar --format=pax --sparse -cf t.tar big', folder]);
    const store = new ImageStore({ paths: temporaryPaths(t) });
    const { rootfs, sizeBytes } = await store.import(
      { path: join(folder, "t.tar"), name: "sparse", tag: null },
      work,
    );
    const { stdout } = await run("unsquashfs", ["-lln", rootfs, "big"]);
    assert.match(stdout, / 4294967296 .*squashfs-root\/big$/m);
    assert.ok(sizeBytes < 1_000_000, `${sizeBytes}`);
  });

  test("goes out as OCI layout, as its tar and as the files' tar, and comes back the same", async (t) => {
    const { image, store } = await imported(t, maker.layout, "app", "app");
    const folder = temporaryFolder(t);
    const targets = [
      ["oci", "layout"],
      ["oci-archive", "layout.tar"],
      ["rootfs", "files.tar"],
    ] as const;
    for (const [format, name] of targets) {
      const target = join(folder, name);
      await exportImage(image, target, format, work);
      const again = (await imported(t, target, format === "rootfs" ? "again" : null)).image;
      const { env, run: back } = again;
      if (format !== "rootfs")
        assert.deepEqual({ name: again.name, env, run: back }, { name: "app:latest", ...settings });
      await assert.rejects(exportImage(image, target, format, work), {
        code: "invalid_argument",
        message: /exists/,
      });
    }
    const bundle = join(folder, "bundle");
    await run("umoci", ["unpack", "--image", `${join(folder, "layout")}:app:latest`, bundle]).catch(
      async () => {
        // umoci 0.4 takes no ':' in a tag
        await run("skopeo", ["copy", "-q", `oci:${folder}/layout:app:latest`, `oci:${folder}/second:app`]);
        await run("umoci", ["unpack", "--image", `${folder}/second:app`, bundle]);
      },
    );
    assert.deepEqual(
      differences(await describeTree(join(bundle, "rootfs")), expected),
      [],
      "other tools read it",
    );
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith(".tmp")),
      [],
    );
    await store.remove(image, () => {});
    assert.equal(await stat(image.rootfs).catch(() => null), null);
  });

  test("that is damaged or none is refused, and nothing is left of it", async (t) => {
    const paths = temporaryPaths(t);
    const store = new ImageStore({ paths });
    const folder = temporaryFolder(t);
    const copy = join(folder, "layout");
    await cp(maker.layout, copy, { recursive: true });
    const blobs = join(copy, "blobs/sha256");
    const sizes = await Promise.all(
      (await readdir(blobs)).map(async (name) => ({ name, size: (await stat(join(blobs, name))).size })),
    );
    const largest = sizes.sort((a, b) => b.size - a.size)[0]?.name ?? "";
    const bytes = await readFile(join(blobs, largest));
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(join(blobs, largest), bytes);
    const attempt = (path: string, name = "x") =>
      store.import({ path, name, tag: path === copy ? "app" : null }, work);
    await assert.rejects(attempt(copy), { code: "image_refused" });
    await assert.rejects(attempt(join(folder, "nothing")), {
      code: "image_refused",
      message: /no such file/,
    });
    await assert.rejects(attempt(folder), { code: "image_refused", message: /oci-layout/ });
    await assert.rejects(attempt(join(blobs, largest)), { code: "image_refused" });
    await assert.rejects(attempt(maker.layout, "debian-slim"), {
      code: "invalid_argument",
      message: /recipe/,
    });
    assert.deepEqual(await store.list(), []);
    const kept = await readdir(join(paths.cache, "layers")).catch(() => []);
    assert.deepEqual(
      kept.filter((name) => name.startsWith("partial") || name.startsWith(".tmp")),
      [],
    );
  });
});
