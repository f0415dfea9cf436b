/** Layers, whiteouts and documents at random: refused with a reason, or a tree that a squashfs can hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { planImage } from "../../src/images/oci/flatten.ts";
import { ImageTree } from "../../src/images/oci/image-tree.ts";
import { type LayerEntry, LayerError, layerEvents } from "../../src/images/oci/layer-entry.ts";
import { DocumentError, parseImageConfig, parseTop } from "../../src/images/oci/manifest.ts";
import { parseReference } from "../../src/images/oci/reference.ts";
import { tarOf } from "../support/oci-layout.ts";
import { fuzz, type SeededRandom } from "../support/random.ts";

const NAMES = ["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", ".wh..wh.x", ".wh.", "..", ".", "", "a\xff"];
const TYPES = ["file", "directory", "symlink", "hardlink", "fifo", "char"] as const;

function randomPath(random: SeededRandom): string {
  const parts = Array.from({ length: 1 + random.below(4) }, () => random.pick(NAMES));
  return `${random.below(8) === 0 ? "/" : ""}${parts.join("/")}`;
}

function randomEntry(random: SeededRandom): LayerEntry {
  const type = random.pick(TYPES);
  return {
    path: randomPath(random),
    type,
    mode: random.below(0o10000),
    uid: random.below(3),
    gid: 0,
    size: type === "file" ? random.below(3) : 0,
    mtime: 0,
    link: type === "symlink" || type === "hardlink" ? randomPath(random) || "/" : "",
    xattrs: {},
  };
}

/** Every name once, beneath folders that came before it, and none that leaves the root. */
function checkPlan(tree: ImageTree): void {
  const { heads, files } = planImage(tree);
  const folders = new Set([""]);
  const seen = new Set<string>();
  const add = (path: string) => {
    assert.ok(!seen.has(path), `twice: ${path}`);
    seen.add(path);
    const parts = path.split("/");
    assert.ok(
      parts.every((part) => part !== "" && part !== "." && part !== ".."),
      path,
    );
    assert.ok(!parts.some((part) => part.startsWith(".wh.")), path);
    assert.ok(folders.has(parts.slice(0, -1).join("/")), `no folder for ${path}`);
  };
  for (const { path, type, link } of heads) {
    add(path);
    if (type === "directory") folders.add(path);
    if (type === "hardlink") assert.ok(seen.has(link), `a link before its target: ${path}`);
  }
  for (const places of files.values()) for (const names of places.values()) names.forEach(add);
}

test("trees of random layers", async () => {
  const attempts = await fuzz(3000, (random) => {
    const tree = new ImageTree({ entries: 60, bytes: 100 });
    try {
      for (let layer = 0; layer < 4; layer++) {
        tree.beginLayer(layer);
        for (let count = random.below(12); count > 0; count--) {
          try {
            tree.apply(randomEntry(random));
          } catch (error) {
            // A whole image is refused for one entry; here the others may go on, to see more of them.
            if (!(error instanceof LayerError)) throw error;
          }
        }
      }
      tree.find(randomPath(random));
      checkPlan(tree);
    } catch (error) {
      if (!(error instanceof LayerError)) throw error;
    }
  });
  assert.ok(attempts > 100);
});

test("layers with changed bytes", async () => {
  await fuzz(3000, async (random) => {
    const chunks: Buffer[] = [];
    const entries = Array.from({ length: 6 }, (_, at) => ({
      path: `d/f${at}`,
      content: random.bytes(random.below(900)),
    }));
    for await (const chunk of tarOf([
      { path: "d/" },
      { path: "x".repeat(150), xattrs: { "user.a": "b" } },
      ...entries,
    ])) {
      chunks.push(chunk);
    }
    const bytes = Buffer.concat(chunks);
    for (let changes = 1 + random.below(8); changes > 0; changes--) {
      const at = random.below(bytes.length);
      // Mostly headers: content may be anything anyway.
      bytes[random.below(3) ? at - (at % 512) + random.below(160) : at] = random.below(256);
    }
    const end = random.below(4) === 0 ? random.below(bytes.length) : bytes.length;
    const tree = new ImageTree();
    async function* pieces() {
      for (let at = 0; at < end; ) {
        const size = 1 + random.below(2000);
        yield bytes.subarray(at, Math.min(end, at + size));
        at += size;
      }
    }
    try {
      for await (const events of layerEvents(pieces()))
        for (const event of events) if (event.kind === "entry") tree.apply(event.entry);
      checkPlan(tree);
    } catch (error) {
      if (!(error instanceof LayerError)) throw error;
    }
  });
});

const MANIFEST = {
  schemaVersion: 2,
  mediaType: "application/vnd.oci.image.manifest.v1+json",
  config: {
    mediaType: "application/vnd.oci.image.config.v1+json",
    digest: `sha256:${"a".repeat(64)}`,
    size: 1,
  },
  layers: [
    { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: `sha256:${"b".repeat(64)}`, size: 1 },
  ],
};
const CONFIG = {
  os: "linux",
  architecture: "amd64",
  config: { Env: ["A=b"], Cmd: ["x"] },
  rootfs: { diff_ids: [] },
};
const VALUES = [null, -1, 1e308, "", [], {}, true, "\u0000", [[]], { __proto__: 1 }];

test("documents with changed values and bytes, and random names", async () => {
  await fuzz(2000, (random) => {
    for (const [document, parse] of [
      [MANIFEST, (bytes: Buffer) => parseTop(bytes, random.pick([null, MANIFEST.mediaType, "text/html"]))],
      [CONFIG, parseImageConfig],
    ] as const) {
      const copy = structuredClone(document) as Record<string, unknown>;
      copy[random.pick(Object.keys(copy))] = random.pick(VALUES);
      const bytes = Buffer.from(JSON.stringify(copy));
      if (random.below(2)) bytes[random.below(bytes.length)] = random.below(256);
      try {
        parse(bytes);
      } catch (error) {
        if (!(error instanceof DocumentError)) throw error;
      }
    }
    try {
      parseReference(random.bytes(random.below(40)).toString("latin1"));
    } catch (error) {
      assert.equal((error as { code?: string }).code, "invalid_argument");
    }
  });
});
