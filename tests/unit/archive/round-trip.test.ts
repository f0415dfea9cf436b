/** Trees through archives: packed and unpacked by us, by GNU tar, and by both in turn. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type LeftOut, pack } from "../../../src/archive/pack.ts";
import { Unpacker } from "../../../src/archive/unpack.ts";
import { temporaryFolder } from "../../support/temporary.ts";
import { describeTree, makeTree } from "../../support/tree.ts";

const archiveOf = (at: string, name = ".") => Buffer.concat([...pack(at, { name: Buffer.from(name) })]);

function unpack(archive: Buffer, to: string, piece = archive.length): void {
  const unpacker = new Unpacker(to);
  for (let at = 0; at < archive.length; at += piece) unpacker.push(archive.subarray(at, at + piece));
  unpacker.finish();
}

for (const piece of [511, 4096, 1_000_000])
  test(`a tree that comes in pieces of ${piece} bytes is as it was, holes included`, (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "a"));
    mkdirSync(join(folder, "b"));
    makeTree(join(folder, "a"));
    const archive = archiveOf(join(folder, "a"));
    assert.ok(archive.length < 2_000_000, `the sparse file is ${archive.length} bytes in the archive`);
    unpack(archive, join(folder, "b"), piece);
    assert.deepEqual(describeTree(join(folder, "b")), describeTree(join(folder, "a")));
    assert.ok(lstatSync(join(folder, "b/sparse")).blocks * 512 < 1_000_000);
  });

test("GNU tar understands what is packed", (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "a"));
  mkdirSync(join(folder, "b"));
  makeTree(join(folder, "a"));
  writeFileSync(join(folder, "archive"), archiveOf(join(folder, "a")));
  execFileSync("tar", ["xpf", join(folder, "archive"), "-C", join(folder, "b")]);
  assert.deepEqual(describeTree(join(folder, "b")), describeTree(join(folder, "a")));
  assert.ok(lstatSync(join(folder, "b/sparse")).blocks * 512 < 1_000_000);
});

for (const [format, options] of [
  ["pax", ["--format=pax", "--sparse"]],
  ["GNU", ["--format=gnu"]],
] as const)
  test(`what GNU tar packs as ${format} is understood`, (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "a"));
    mkdirSync(join(folder, "b"));
    makeTree(join(folder, "a"));
    if (format === "GNU") truncateSync(join(folder, "a/sparse"), 100_000);
    // Whole seconds: the GNU format has no others.
    execFileSync("find", [join(folder, "a"), "-exec", "touch", "-h", "-d", "2020-02-02", "{}", "+"]);
    execFileSync("tar", ["cf", join(folder, "archive"), ...options, "-C", join(folder, "a"), "."]);
    unpack(readFileSync(join(folder, "archive")), join(folder, "b"));
    assert.deepEqual(describeTree(join(folder, "b")), describeTree(join(folder, "a")));
  });

test("what cannot be kept is left out and named; the rest is packed", (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, "a"));
  mkdirSync(join(folder, "b"));
  writeFileSync(join(folder, "a/file"), "f");
  execFileSync("mkfifo", [join(folder, "a/pipe")]);
  symlinkSync("file", join(folder, "a/link"));
  const left: LeftOut[] = [];
  const archive = Buffer.concat([
    ...pack(join(folder, "a"), {
      name: Buffer.from("."),
      symlinks: "leave out",
      fileMode: 0o600,
      onLeftOut: (l) => left.push(l),
    }),
  ]);
  unpack(archive, join(folder, "b"));
  assert.deepEqual(readdirSync(join(folder, "b")), ["file"]);
  assert.equal(lstatSync(join(folder, "b/file")).mode & 0o7777, 0o600);
  assert.deepEqual(
    left.map(({ path, why }) => [path.split("/").at(-1), why]),
    [
      ["link", "it is a symbolic link"],
      ["pipe", "it is a socket, pipe or device"],
    ],
  );
});
