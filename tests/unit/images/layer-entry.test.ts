/** A layer's tar as a series of entries, and the tar that sqfstar gets. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { END, paddingAfter } from "../../../src/archive/writer.ts";
import { run } from "../../../src/host/run.ts";
import {
  type LayerEntry,
  LayerError,
  type LayerEvent,
  layerEvents,
} from "../../../src/images/oci/layer-entry.ts";
import { sqfstarHeader } from "../../../src/images/oci/sqfstar-tar.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const PLAIN: LayerEntry = {
  path: "file",
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 1_600_000_000,
  link: "",
  xattrs: {},
};

function tar(...entries: readonly (Partial<LayerEntry> & { content?: string })[]): Buffer {
  const parts = entries.flatMap(({ content = "", ...entry }) => {
    const size = content.length;
    return [
      sqfstarHeader({ ...PLAIN, size, ...entry }),
      Buffer.from(content, "latin1"),
      Buffer.alloc(paddingAfter(size)),
    ];
  });
  return Buffer.concat([...parts, END]);
}

async function read(bytes: Buffer, size = bytes.length): Promise<LayerEvent[]> {
  async function* pieces() {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const events: LayerEvent[] = [];
  for await (const some of layerEvents(pieces())) events.push(...some);
  return events;
}

const LONG = `${"d".repeat(150)}/${"f".repeat(200)}`;
const ENTRIES: readonly (Partial<LayerEntry> & { content?: string })[] = [
  { path: "dir/", type: "directory", mode: 0o1777, uid: 4_000_000_000, gid: 7 },
  { path: LONG, mode: 0o4755, xattrs: { "user.x": "\xff\0=\n1" }, content: "hello" },
  { path: "link", type: "symlink", link: `../${"t".repeat(300)}` },
  { path: "root", type: "symlink", link: `/${"t".repeat(150)}` },
  { path: "short", type: "symlink", link: "../x\xff" },
  { path: "hard", type: "hardlink", link: LONG },
  { path: "n\xc3\xa4me\xff", mtime: 0, content: "x".repeat(2000) },
];

test("entries come back as they were written, however the tar is cut into pieces", async () => {
  const wanted = ENTRIES.map(({ content = "", ...entry }) => ({ ...PLAIN, size: content.length, ...entry }));
  for (const size of [1, 511, 512, 100_000]) {
    const events = await read(tar(...ENTRIES), size);
    assert.deepEqual(
      events.flatMap((event) => (event.kind === "entry" ? [event.entry] : [])),
      wanted,
    );
    const content = Buffer.concat(events.flatMap((event) => (event.kind === "data" ? [event.bytes] : [])));
    assert.equal(content.toString("latin1"), `hello${"x".repeat(2000)}`);
  }
});

test("sqfstar understands all of it, also targets that begin with '/' or '../'", async (t) => {
  const folder = temporaryFolder(t);
  const image = join(folder, "image");
  await run("sh", [
    "-c",
    'sqfstar -quiet -no-progress "$0" < "$1"',
    image,
    await file(folder, tar(...ENTRIES)),
  ]);
  const { stdout } = await run("unsquashfs", ["-lln", "-d", "", image]);
  for (const line of [
    /drwxrwxrwt 4000000000\/7 .* \/dir$/m,
    /lrwxrwxrwx .* \/link -> \.\.\/t{300}$/m,
    /lrwxrwxrwx .* \/root -> \/t{150}$/m,
    /lrwxrwxrwx .* \/short -> \.\.\/x/m,
    /-rwsr-xr-x .* \/hard$/m,
    /-rwsr-xr-x .* \/d{150}\/f{200}$/m,
  ]) {
    assert.match(stdout, line);
  }
});

async function file(folder: string, bytes: Buffer): Promise<string> {
  const path = join(folder, "tar");
  await writeFile(path, bytes);
  return path;
}

test("holes of a sparse file arrive as counted zeros, however large they are", async (t) => {
  const folder = temporaryFolder(t);
  const make =
    'cd "$0" && truncate -s 4G big && printf end | dd of=big bs=1 seek=1000000 conv=notrunc status=none';
  await run("sh", ["-c", make, folder]);
  await run("tar", ["-C", folder, "--format=pax", "--sparse", "-cf", join(folder, "t.tar"), "big"]);
  const events = await read(await readFile(join(folder, "t.tar")));
  const total = events.reduce(
    (sum, event) =>
      sum + (event.kind === "data" ? event.bytes.length : event.kind === "zeros" ? event.count : 0),
    0,
  );
  assert.equal(total, 4 * 1024 ** 3);
  assert.ok(events.length < 10);
});

test("impossible owners, links to nothing and damaged archives are refused with the name", async () => {
  for (const [entry, message] of [
    [{ uid: 0xffff_ffff }, /owner/],
    [{ type: "symlink", link: "" }, /link to nothing/],
    [{ path: "" }, /no name/],
  ] as const) {
    await assert.rejects(
      read(tar(entry)),
      (error: LayerError) => error instanceof LayerError && message.test(error.message),
    );
  }
  await assert.rejects(read(tar({ content: "cut" }).subarray(0, 600)), LayerError);
  await assert.rejects(read(Buffer.alloc(512, 1)), /checksum/);
});
