/** Tar archives: what is written is read back, and what cannot be meant honestly is refused with the name concerned. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { paddingOf, type TarEntry, TarError } from "../../../src/archive/tar-entry.ts";
import { readTar } from "../../../src/archive/tar-reader.ts";
import { END_OF_TAR, tarHeader } from "../../../src/archive/tar-writer.ts";
import { run } from "../../../src/host/run.ts";
import { temporaryFolder } from "../../support/temporary.ts";

const PLAIN: TarEntry = {
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

function archive(...members: readonly (readonly [Partial<TarEntry>, string?])[]): Buffer {
  const parts = members.flatMap(([entry, content = ""]) => {
    const size = Buffer.byteLength(content);
    return [tarHeader({ ...PLAIN, size, ...entry }), Buffer.from(content), Buffer.alloc(paddingOf(size))];
  });
  return Buffer.concat([...parts, END_OF_TAR]);
}

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size = bytes.length): Promise<{ entry: TarEntry; content: string }[]> {
  const members: { entry: TarEntry; content: string }[] = [];
  for await (const event of readTar(inPieces(bytes, size))) {
    if (event.kind === "entry") members.push({ entry: event.entry, content: "" });
    else (members.at(-1) as { content: string }).content += event.bytes.toString("latin1");
  }
  return members;
}

/** A header block with some bytes changed and the checksum made to fit. */
function patched(block: Buffer, at: number, bytes: string): Buffer {
  const copy = Buffer.from(block);
  copy.write(bytes, at, "latin1");
  copy.write("        ", 148, "latin1");
  const sum = copy.subarray(0, 512).reduce((all, byte) => all + byte, 0);
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return copy;
}

const refused = (bytes: Buffer, message: RegExp) =>
  assert.rejects(read(bytes), (error) => error instanceof TarError && message.test(error.message));

describe("a tar archive", () => {
  const long = `${"d".repeat(150)}/${"f".repeat(200)}`;
  const members: readonly (readonly [Partial<TarEntry>, string?])[] = [
    [{ path: "dir/", type: "directory", mode: 0o1777, uid: 4_000_000_000, gid: 7 }],
    [
      { path: long, mode: 0o4755, xattrs: { "user.x": "\xff\0=\n1", "security.capability": "\x01\0\0\x02" } },
      "hello",
    ],
    [{ path: "link", type: "symlink", link: `../${"t".repeat(300)}` }],
    [{ path: "hard", type: "hardlink", link: long }],
    [{ path: "n\xc3\xa4me\xff", mtime: 0 }, "x".repeat(2000)],
    [{ path: "pipe", type: "fifo" }],
  ];

  test("comes back as it was written, however it is cut into pieces", async () => {
    const bytes = archive(...members);
    const wanted = members.map(([entry, content = ""]) => ({
      entry: { ...PLAIN, size: content.length, ...entry },
      content,
    }));
    for (const size of [1, 7, 511, 512, 513, bytes.length]) assert.deepEqual(await read(bytes, size), wanted);
  });

  test("of GNU tar's own formats is read", async (t) => {
    const folder = temporaryFolder(t);
    await run("sh", [
      "-c",
      'mkdir -p "$0/in"; printf content > "$0/in/$1"; ln -s "$2" "$0/in/s"',
      folder,
      "n".repeat(180),
      "t".repeat(180),
    ]);
    for (const format of ["gnu", "pax", "oldgnu"]) {
      const file = `${folder}/${format}.tar`;
      await run("tar", ["-C", `${folder}/in`, `--format=${format}`, "--sort=name", "-cf", file, "."]);
      const found = await read(await readFile(file));
      assert.deepEqual(
        found.map(({ entry, content }) => [entry.path, entry.type, entry.link, content]),
        [
          ["./", "directory", "", ""],
          [`./${"n".repeat(180)}`, "file", "", "content"],
          ["./s", "symlink", "t".repeat(180), ""],
        ],
      );
    }
  });

  test("may end without its end mark, but not within a member", async () => {
    const bytes = archive([{ path: "a" }, "content"]);
    assert.equal((await read(bytes.subarray(0, 1024))).length, 1);
    for (const cut of [100, 513, 515]) await refused(bytes.subarray(0, cut), /cut off/);
  });

  test("may have anything behind its end", async () => {
    assert.equal((await read(Buffer.concat([archive([{ path: "a" }]), Buffer.alloc(10_000, 7)]))).length, 1);
  });
});

describe("refused is", () => {
  const block = tarHeader({ ...PLAIN, path: "victim" });

  test("a header whose checksum does not fit", () => {
    const wrong = Buffer.from(block);
    wrong[0] = 88;
    return refused(wrong, /checksum/);
  });

  for (const [what, at, bytes] of [
    ["a negative size", 124, "\xff".repeat(12)],
    ["a size beyond all numbers", 124, `\x80${"\xff".repeat(11)}`],
    ["a size that is no number", 124, "99999999999\0"],
    ["an owner beyond 32 bits", 108, "\x80\0\0\x01\0\0\0\0"],
    ["a negative owner", 108, "\xff".repeat(8)],
    ["a mode that is no number", 100, "rwxrwxr\0"],
  ] as const) {
    test(what, () => refused(patched(block, at, bytes), /not acceptable/));
  }

  test("an unknown kind of member", () => refused(patched(block, 156, "Z"), /unknown type/));
  test("a sparse file", () => refused(patched(block, 156, "S"), /sparse/));
  test("an empty name", () => refused(archive([{ path: "" }]), /name is empty/));
  test("a link without a target", () => refused(archive([{ type: "symlink", link: "" }]), /target is empty/));
  test("a name longer than any path", () => refused(archive([{ path: "a/".repeat(3000) }]), /bytes/));
  test("something behind half an end mark", () =>
    refused(Buffer.concat([Buffer.alloc(512), block]), /end mark/));

  test("an extended header larger than any attribute", () =>
    refused(patched(patched(block, 156, "x"), 124, "77777777777\0"), /extended header has/));

  for (const record of ["9999 a=b\n", "6 a=b", "x a=b\n", "0 a=b\n", "5 ab\n", "-6 a=b\n", "4 =\n"]) {
    test(`the extended record ${JSON.stringify(record)}`, () => {
      const content = Buffer.alloc(512);
      content.write(record);
      const size = record.length.toString(8).padStart(11, "0");
      return refused(
        Buffer.concat([patched(patched(block, 156, "x"), 124, `${size}\0`), content]),
        /malformed/,
      );
    });
  }
});
