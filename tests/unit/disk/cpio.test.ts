import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { cpioArchive } from "../../../src/disk/cpio.ts";
import { initramfsArchive } from "../../../src/disk/initramfs.ts";
import { run } from "../../../src/host/run.ts";
import { findTool } from "../../../src/host/tools.ts";
import { temporaryFolder } from "../../support/temporary.ts";

interface Entry {
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly inode: number;
  readonly mtime: number;
  readonly device: readonly [number, number];
  readonly content: Buffer;
}

/** Reads a newc archive by its description in cpio(5), independent of the writer. */
function parse(archive: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; ; ) {
    assert.equal(archive.toString("latin1", at, at + 6), "070701", `magic at ${at}`);
    const field = (index: number) => {
      const text = archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8);
      assert.match(text, /^[0-9a-f]{8}$/);
      return Number.parseInt(text, 16);
    };
    const nameSize = field(11);
    const name = archive.toString("utf8", at + 110, at + 110 + nameSize - 1);
    assert.equal(archive[at + 110 + nameSize - 1], 0);
    const begin = (at + 110 + nameSize + 3) & ~3;
    const content = archive.subarray(begin, begin + field(6));
    if (name === "TRAILER!!!") return entries;
    entries.push({
      name,
      mode: field(1),
      uid: field(2) + field(3),
      inode: field(0),
      mtime: field(5),
      device: [field(9), field(10)],
      content,
    });
    at = (begin + content.length + 3) & ~3;
  }
}

test("folders, files and devices are written with their type, mode and content", () => {
  const archive = cpioArchive([
    { type: "directory", path: "dev" },
    { type: "character", path: "dev/console", major: 5, minor: 1 },
    { type: "file", path: "init", mode: 0o755, content: Buffer.from("#!") },
    { type: "file", path: "empty", content: new Uint8Array() },
    { type: "file", path: "größe ☃", content: Buffer.alloc(1001, 7) },
  ]);
  const entries = parse(archive);
  assert.deepEqual(
    entries.map(({ name, mode, device, content }) => [name, mode.toString(8), device, content.length]),
    [
      ["dev", "40755", [0, 0], 0],
      ["dev/console", "20600", [5, 1], 0],
      ["init", "100755", [0, 0], 2],
      ["empty", "100644", [0, 0], 0],
      ["größe ☃", "100644", [0, 0], 1001],
    ],
  );
  assert.ok(entries.every(({ uid, mtime }) => uid === 0 && mtime === 0));
  assert.equal(
    new Set(entries.map(({ inode }) => inode)).size,
    entries.length,
    "equal inodes would be hard links",
  );
  assert.ok(entries.at(-1)?.content.every((byte) => byte === 7));
});

test("every entry begins on a multiple of four bytes, whatever the lengths", () => {
  for (let length = 0; length < 9; length++) {
    const path = "n".repeat(length + 1);
    const entries = parse(
      cpioArchive([
        { type: "file", path, content: Buffer.alloc(length, 1) },
        { type: "file", path: "last", content: Buffer.from("x") },
      ]),
    );
    assert.deepEqual(
      entries.map((entry) => entry.name),
      [path, "last"],
    );
  }
});

test("equal entries give equal bytes; a view into a larger buffer is written without its surroundings", () => {
  const content = Buffer.from("..wanted..").subarray(2, 8);
  const one = cpioArchive([{ type: "file", path: "f", content }]);
  assert.deepEqual(one, cpioArchive([{ type: "file", path: "f", content: Buffer.from("wanted") }]));
});

test("the initramfs has the agent as init, the console, and the modules with their order", () => {
  const entries = parse(
    initramfsArchive(Buffer.from("agent"), [
      { name: "b.ko", content: Buffer.from("B") },
      { name: "a.ko", content: Buffer.from("A") },
    ]),
  );
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  assert.equal(byName.get("init")?.content.toString(), "agent");
  assert.equal((byName.get("init")?.mode ?? 0) & 0o777, 0o755);
  assert.deepEqual(byName.get("dev/console")?.device, [5, 1]);
  assert.equal(byName.get("modules.list")?.content.toString(), "/modules/b.ko\n/modules/a.ko\n");
  assert.equal(byName.get("modules/a.ko")?.content.toString(), "A");
  for (const folder of ["proc", "sys", "newroot"]) assert.equal((byName.get(folder)?.mode ?? 0) >> 12, 0o4);
});

test("GNU cpio unpacks what was written", async (t: TestContext) => {
  const cpio = await findTool("cpio");
  if (!cpio) return t.skip("cpio is not installed");
  const folder = temporaryFolder(t);
  const archive = cpioArchive([
    { type: "directory", path: "d" },
    { type: "file", path: "d/f", mode: 0o640, content: Buffer.from("text\n") },
  ]);
  const file = join(folder, "a.cpio");
  writeFileSync(file, archive);
  const { stdout } = await run(cpio, ["-t", "--quiet", "-F", file]);
  assert.equal(stdout, "d\nd/f\n");
  await run(cpio, ["-i", "-d", "--quiet", "--no-preserve-owner", "-F", file], { cwd: folder });
  assert.equal(readFileSync(join(folder, "d/f"), "utf8"), "text\n");
});
