/** The tree that layers make together: whiteouts, links, replacement, and what is refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { planImage } from "../../../src/images/oci/flatten.ts";
import { ImageTree, type TreeLimits } from "../../../src/images/oci/image-tree.ts";
import type { LayerEntry } from "../../../src/images/oci/layer-entry.ts";

type Short = string | (Partial<LayerEntry> & { path: string });

/** `name/` is a folder, `name` a file with one byte, `name -> target` a symlink, `name = target` a hard link. */
function entry(short: Short): LayerEntry {
  const base = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0, link: "", xattrs: {} };
  if (typeof short !== "string") return { ...base, type: "file", ...short };
  const [path = "", kind, link = ""] = short.split(/ (->|=) /);
  if (kind) return { ...base, path, link, type: kind === "->" ? "symlink" : "hardlink" };
  return path.endsWith("/")
    ? { ...base, path, type: "directory", mode: 0o755 }
    : { ...base, path, type: "file", size: 1 };
}

function treeOf(layers: readonly (readonly Short[])[], limits?: TreeLimits): ImageTree {
  const tree = new ImageTree(limits);
  for (const [at, entries] of layers.entries()) {
    tree.beginLayer(at);
    for (const short of entries) tree.apply(entry(short));
  }
  return tree;
}

/** Every path: files with the layer that their content is from. */
function paths(...layers: readonly (readonly Short[])[]): string[] {
  const { heads, files } = planImage(treeOf(layers));
  const named = heads.map(({ path, type, link }) =>
    type === "directory"
      ? `${path}/`
      : type === "hardlink"
        ? `${path} = ${link}`
        : type === "symlink"
          ? `${path} -> ${link}`
          : path,
  );
  for (const [layer, places] of files) {
    for (const names of places.values()) named.push(`${names.join(" = ")} (${layer})`);
  }
  return named.sort();
}

const refused = (message: RegExp, ...layers: readonly (readonly Short[])[]) =>
  assert.throws(() => planImage(treeOf(layers)), { name: "LayerError", message });

describe("layers", () => {
  test("lie over each other: the highest wins, folders are merged", () => {
    assert.deepEqual(paths(["a/", "a/x", "a/y"], ["a/", "a/y", "a/z"]), [
      "a/",
      "a/x (0)",
      "a/y (1)",
      "a/z (1)",
    ]);
  });

  test("may leave out folders and begin names with ./ or /", () => {
    assert.deepEqual(paths(["./a/b/c", "/ko-app/x"]), ["a/", "a/b/", "a/b/c (0)", "ko-app/", "ko-app/x (0)"]);
  });

  test("replace a folder by a file and back", () => {
    assert.deepEqual(paths(["a/", "a/x"], ["a"], ["a/", "a/y"]), ["a/", "a/y (2)"]);
    assert.deepEqual(paths(["a/", "a/x"], ["a"]), ["a (1)"]);
    assert.deepEqual(paths(["a/"], ["a -> b"]), ["a -> b"]);
  });

  test("drop device nodes, and what they replace", () => {
    assert.deepEqual(paths(["dev/", "dev/null"], [{ path: "dev/null", type: "char" }]), ["dev/"]);
  });
});

describe("a whiteout", () => {
  test("hides a file, a folder with all in it, and nothing that is not there", () => {
    assert.deepEqual(
      paths(["a/", "a/x", "a/y", "b/", "b/c/", "b/c/d"], ["a/.wh.x", ".wh.b", ".wh.no", "no/.wh.x"]),
      ["a/", "a/y (0)"],
    );
  });

  test("hides lower layers only, wherever in its own it stands", () => {
    assert.deepEqual(paths(["a"], ["a", ".wh.a"]), ["a (1)"]);
    assert.deepEqual(paths(["a"], [".wh.a", "a"]), ["a (1)"]);
    assert.deepEqual(paths(["d/", "d/old"], ["d/", "d/new", ".wh.d"]), ["d/", "d/new (1)"]);
  });

  test("that is opaque empties a folder but keeps what its layer puts there", () => {
    for (const order of [
      ["d/", "d/.wh..wh..opq", "d/new", "d/e/", "d/e/new"],
      ["d/", "d/new", "d/e/", "d/e/new", "d/.wh..wh..opq"],
    ]) {
      assert.deepEqual(paths(["d/", "d/old", "d/e/", "d/e/old"], order), [
        "d/",
        "d/e/",
        "d/e/new (1)",
        "d/new (1)",
      ]);
    }
  });

  test("works through a symlink, as for a container", () => {
    assert.deepEqual(paths(["usr/lib/", "usr/lib/x", "lib -> usr/lib"], ["lib/.wh.x"]), [
      "lib -> usr/lib",
      "usr/",
      "usr/lib/",
    ]);
  });

  test("of aufs's own files is passed over", () => {
    assert.deepEqual(paths(["a", ".wh..wh.plnk/", ".wh..wh.plnk/1.2", ".wh..wh.aufs"]), ["a (0)"]);
  });

  test("of a parent or of nothing is refused", () => {
    for (const name of [".wh...", "a/.wh..", ".wh."]) refused(/hides nothing/, ["a/"], [name]);
  });
});

describe("a hard link", () => {
  test("shares its file, whatever becomes of the first name", () => {
    assert.deepEqual(paths(["a", "b = a"]), ["a = b (0)"]);
    assert.deepEqual(paths(["a"], ["b = a"], [".wh.a"]), ["b (0)"]);
    assert.deepEqual(paths(["a", "b = a"], ["a"]), ["a (1)", "b (0)"]);
  });

  test("of an empty file or a symlink is one, too", () => {
    assert.deepEqual(paths([{ path: "a" }, "b = a", "s -> x", "t = s"]), ["a", "b = a", "s -> x", "t = s"]);
  });

  test("to nothing, to a folder, or out of the image is refused", () => {
    refused(/nothing that is in the image/, ["b = a"]);
    refused(/nothing that is in the image/, ["b = /etc/passwd"]);
    refused(/'\.\.' in its link target/, ["b = ../../etc/passwd"]);
    refused(/a folder/, ["a/", "b = a"]);
  });
});

describe("a symlink in a path", () => {
  test("is followed inside the image, however far up it points", () => {
    assert.deepEqual(paths(["usr/lib/", "lib -> usr/lib"], ["lib/x"]), [
      "lib -> usr/lib",
      "usr/",
      "usr/lib/",
      "usr/lib/x (1)",
    ]);
    assert.deepEqual(paths(["out -> ../../../etc", "out/x"]), ["etc/", "etc/x (0)", "out -> ../../../etc"]);
    assert.deepEqual(paths(["out -> /etc", "out/x"]), ["etc/", "etc/x (0)", "out -> /etc"]);
    assert.deepEqual(paths(["d/", "d/s -> ../e", "e/", "d/s/x"]), ["d/", "d/s -> ../e", "e/", "e/x (0)"]);
  });

  test("that goes in a circle is refused", () => {
    refused(/circle/, ["a -> b", "b -> a", "a/x"]);
  });
});

describe("refused is", () => {
  test("'..' in a name", () => refused(/'\.\.'/, ["a/../b"]));
  test("a name below a file", () => refused(/no folder/, ["a", "a/b"]));
  test("a root that is no folder", () =>
    refused(/root folder/, [{ path: "./", type: "symlink", link: "x" }]));
  test("a name that no filesystem holds", () => refused(/300 bytes/, ["x".repeat(300)]));
  test("one name as two kinds of thing in one layer", () => {
    refused(/same layer/, ["a/", "a"]);
    refused(/same layer/, ["a", "a/"]);
    refused(/same layer/, ["a", "a -> b"]);
    refused(/same layer/, ["a/x", "a"]);
  });
  test("the same kind twice is not: the last one counts", () => {
    assert.deepEqual(paths(["a", "a", "b -> x", "b -> y"]), ["a (0)", "b -> y"]);
  });

  test("more than there may be", () => {
    const limits = { entries: 3, bytes: 10 };
    assert.throws(() => treeOf([["a", "b", "c", "d"]], limits), /more than 3 entries/);
    assert.throws(() => treeOf([["a/b/c/d/e"]], limits), /more than 3 entries/);
    assert.throws(() => treeOf([[{ path: "a", size: 11 }]], limits), /more than 10 bytes/);
  });

  test("a path that symlinks made longer than any", () => {
    const deep = Array.from({ length: 15 }, () => "d".repeat(250)).join("/");
    refused(/bytes/, [`${deep}/`, `s -> ${deep}`, `s/${deep}/`]);
  });
});

test("attributes that would mean something to the guest's own overlay are dropped", () => {
  const xattrs = {
    "user.a": "1",
    "trusted.overlay.opaque": "y",
    "user.overlay.opaque": "y",
    "system.x": "1",
  };
  const { heads } = planImage(treeOf([[{ path: "a/", type: "directory", xattrs }]]));
  assert.deepEqual(heads[0]?.xattrs, { "user.a": "1" });
});
