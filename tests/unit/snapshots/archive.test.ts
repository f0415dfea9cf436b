/** Snapshots as files: what goes out comes in again, holes included, and nothing else comes in. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { zstdCompressSync } from "node:zlib";
import type { MemberType } from "../../../src/archive/member.ts";
import { END, memberHeader, paddingAfter } from "../../../src/archive/writer.ts";
import { silent } from "../../../src/core/stage.ts";
import { exportSnapshot, unpackSnapshot } from "../../../src/snapshots/archive.ts";
import { contentDigest } from "../../../src/snapshots/content-digest.ts";
import { describeFiles, verifyFiles } from "../../../src/snapshots/files.ts";
import type { Manifest } from "../../../src/snapshots/manifest.ts";

const MIB = 2 ** 20;
const DISK = 64 * MIB;
const work = { report: silent, signal: new AbortController().signal };

let folder = "";
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "banger-snapshots-"));
});
after(() => rm(folder, { recursive: true, force: true }));

let made = 0;
async function empty(): Promise<string> {
  const path = join(folder, `f${made++}`);
  await mkdir(path);
  return path;
}

/** A snapshot's folder: a disk with data at a few odd places, and a memory. */
async function snapshot(): Promise<{ readonly path: string; readonly manifest: Manifest }> {
  const path = await empty();
  await mkdir(join(path, "memory"));
  const disk = await open(join(path, "state.ext4"), "w");
  for (const at of [0, 5 * MIB + 4096, DISK - 4096])
    await disk.write(Buffer.alloc(4096, at % 251 || 7), 0, 4096, at);
  await disk.truncate(DISK);
  await disk.close();
  await writeFile(join(path, "memory/qemu.state"), Buffer.alloc(300_001, "memory"));
  const manifest: Manifest = {
    layout: 1,
    id: "sn-0000000001",
    name: "ready",
    createdAt: "2026-01-31T14:25:00.000Z",
    vm: { id: "vm-0000000001", name: "box" },
    parent: null,
    image: { name: "debian-slim", digest: "a".repeat(64) },
    kernel: { name: "debian-cloud", digest: "b".repeat(64), release: "6.1" },
    driver: "qemu",
    vcpu: 1,
    memoryMib: 256,
    diskBytes: DISK,
    nested: false,
    nat: false,
    machine: { version: "QEMU 7.2", accelerator: "tcg", processor: "any", counterKhz: 2_300_000 },
    stoodStillMs: 12,
    files: await describeFiles(path, work),
  };
  await writeFile(join(path, "manifest.json"), JSON.stringify(manifest));
  return { path, manifest };
}

interface Part {
  readonly name: string;
  readonly content?: Buffer;
  readonly type?: MemberType;
  readonly link?: string;
}

async function archive(parts: readonly Part[]): Promise<string> {
  const pieces = parts.flatMap(({ name, content = Buffer.alloc(0), type = "file", link = "" }) => [
    memberHeader({
      name: Buffer.from(name),
      type,
      link: Buffer.from(link),
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: content.length,
      mtimeNs: 0n,
      segments: null,
    }),
    content,
    Buffer.alloc(paddingAfter(content.length)),
  ]);
  const file = join(folder, `a${made++}.tar.zst`);
  await writeFile(file, zstdCompressSync(Buffer.concat([...pieces, END])));
  return file;
}

describe("a snapshot as a file", () => {
  test("comes back as it was, its holes holes", async () => {
    const { path, manifest } = await snapshot();
    const file = join(folder, "ready.tar.zst");
    await exportSnapshot(manifest, path, file, work);
    assert.ok((await stat(file)).size < MIB, "holes take nothing");
    const target = await empty();
    assert.deepEqual(await unpackSnapshot(file, target, work), manifest);
    await verifyFiles(manifest, target, work);
    assert.ok((await stat(join(target, "state.ext4"))).blocks * 512 < MIB);
    const bytes = await readFile(join(target, "state.ext4"));
    assert.ok(bytes.equals(await readFile(join(path, "state.ext4"))));
  });

  test("is refused where something is", async () => {
    const { path, manifest } = await snapshot();
    await assert.rejects(exportSnapshot(manifest, path, join(path, "manifest.json"), work), {
      code: "invalid_argument",
    });
    await assert.rejects(exportSnapshot(manifest, path, "/nowhere/ready.tar.zst", work), {
      code: "host_file_failed",
    });
  });

  test("that is hostile is refused, and touches nothing outside its folder", async () => {
    const { manifest } = await snapshot();
    const description = { name: "manifest.json", content: Buffer.from(JSON.stringify(manifest)) };
    const disk = { name: "state.ext4", content: Buffer.alloc(512) };
    const refused: readonly (readonly [string, readonly Part[]])[] = [
      ["above", [description, { name: "../evil" }]],
      ["absolute", [description, { name: "/tmp/evil" }]],
      ["above, hidden", [description, { name: "memory/../../evil" }]],
      ["unknown", [description, { name: "authorized_keys" }]],
      ["nested", [description, { name: "memory/a/b" }]],
      ["symlink", [description, { name: "state.ext4", type: "symlink", link: "/etc/passwd" }]],
      ["symlink as folder", [description, { name: "memory", type: "symlink", link: "/tmp" }]],
      ["hard link", [description, { name: "state.ext4", type: "hardlink", link: "manifest.json" }]],
      ["device", [description, { name: "state.ext4", type: "block" }]],
      ["pipe", [description, { name: "memory/qemu.state", type: "fifo" }]],
      ["twice", [description, disk, disk]],
      ["out of order", [disk, description]],
      ["large manifest", [{ name: "manifest.json", content: Buffer.alloc(100_000, " ") }]],
      ["no JSON", [{ name: "manifest.json", content: Buffer.from("{") }]],
      ["other manifest", [{ name: "manifest.json", content: Buffer.from('{"layout":2}') }]],
      ["incomplete", [description, disk]],
      ["nothing", []],
    ];
    for (const [what, parts] of refused) {
      const target = await empty();
      await assert.rejects(
        unpackSnapshot(await archive(parts), target, work),
        { code: "archive_invalid" },
        what,
      );
    }
    assert.ok(!(await readdir(folder)).includes("evil"));
    for (const [what, change] of [
      ["a path", { files: [{ ...manifest.files[0], name: "memory/../../x" }] }],
      ["a foreign key", { more: 1 }],
      ["a name", { name: "../x" }],
      ["a disk of another size", { diskBytes: 1 }],
      ["no memory", { machine: null }],
    ] as const) {
      const content = Buffer.from(JSON.stringify({ ...manifest, ...change }));
      const file = await archive([{ name: "manifest.json", content }]);
      await assert.rejects(unpackSnapshot(file, await empty(), work), { code: "archive_invalid" }, what);
    }
  });

  test("that is no zstd file, cut off, or not there is refused", async () => {
    const { path, manifest } = await snapshot();
    const file = join(folder, "cut.tar.zst");
    await exportSnapshot(manifest, path, file, work);
    const whole = await readFile(file);
    for (const bytes of [whole.subarray(0, whole.length / 2), Buffer.from("nothing"), Buffer.alloc(0)]) {
      await writeFile(file, bytes);
      await assert.rejects(unpackSnapshot(file, await empty(), work), { code: "archive_invalid" });
    }
    await assert.rejects(unpackSnapshot(join(folder, "absent"), await empty(), work), {
      code: "invalid_argument",
    });
  });
});

describe("a snapshot's checksums", () => {
  test("notice every change, a cut, a symbolic link, and not where holes lie", async () => {
    const { path, manifest } = await snapshot();
    await verifyFiles(manifest, path, work);
    const disk = join(path, "state.ext4");
    const digest = await contentDigest(disk, work.signal);
    const dense = join(folder, "dense");
    await writeFile(dense, await readFile(disk));
    assert.equal(await contentDigest(dense, work.signal), digest);
    const file = await open(disk, "r+");
    await file.write(Buffer.from([1]), 0, 1, 20 * MIB);
    await assert.rejects(verifyFiles(manifest, path, work), {
      code: "snapshot_damaged",
      message: /state\.ext4/,
    });
    await file.write(Buffer.from([0]), 0, 1, 20 * MIB);
    await verifyFiles(manifest, path, work);
    await file.truncate(DISK - 4096);
    await assert.rejects(verifyFiles(manifest, path, work), { code: "snapshot_damaged" });
    await file.close();
    await rm(disk);
    await assert.rejects(verifyFiles(manifest, path, work), { code: "snapshot_damaged" });
    await symlink(dense, disk);
    await assert.rejects(verifyFiles(manifest, path, work), { code: "snapshot_damaged" });
  });
});
