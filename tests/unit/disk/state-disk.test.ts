import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { GIB, MIB } from "../../../src/core/units.ts";
import { cloneStateDisk, ensureStateTemplate, growStateDisk } from "../../../src/disk/state-disk.ts";
import { run } from "../../../src/host/run.ts";
import { temporaryPaths } from "../../support/temporary.ts";

const signal = AbortSignal.timeout(60_000);

async function template(t: TestContext, bytes: number) {
  const paths = temporaryPaths(t);
  const path = await ensureStateTemplate(paths, bytes, signal);
  return { paths, path, clone: join(dirname(path), "clone.ext4") };
}

/** e2fsck ends with an error when anything at all is to be repaired. */
const checkFilesystem = (path: string) => run("e2fsck", ["-f", "-n", path]);

test("a template is a clean ext4 of its size that takes few blocks, with folders of root's", async (t) => {
  const { path } = await template(t, 8 * GIB);
  await checkFilesystem(path);
  const { size, blocks } = statSync(path);
  assert.equal(size, 8 * GIB);
  assert.ok(blocks * 512 < 16 * MIB, `${(blocks * 512) / MIB} MiB`);
  const { stdout } = await run("debugfs", ["-R", "ls -l /", path]);
  for (const folder of ["upper", "work", "docker", "containerd"]) {
    const line = stdout.split("\n").find((text) => text.trim().endsWith(` ${folder}`)) ?? "";
    assert.match(line, /^\s*\d+\s+40755 \(\d\)\s+0\s+0\s/, folder);
  }
});

test("small disks are made too, and odd sizes are rounded up; too small ones are refused", async (t) => {
  const { paths, path } = await template(t, 256 * MIB - 1);
  assert.equal(statSync(path).size, 256 * MIB);
  await checkFilesystem(path);
  for (const bytes of [0, -1, Number.NaN, 63 * MIB])
    await assert.rejects(ensureStateTemplate(paths, bytes, signal), { code: "invalid_argument" });
});

test("a template is made once, also when asked for twice at once, and nothing else is left", async (t) => {
  const paths = temporaryPaths(t);
  const [one, two] = await Promise.all([
    ensureStateTemplate(paths, 256 * MIB, signal),
    ensureStateTemplate(paths, 256 * MIB, signal),
  ]);
  assert.equal(one, two);
  const { ino } = statSync(one);
  await ensureStateTemplate(paths, 256 * MIB, signal);
  assert.equal(statSync(one).ino, ino);
  assert.equal(readdirSync(dirname(one)).length, 1);
});

test("a clone is equal, sparse and independent", async (t) => {
  const { path, clone } = await template(t, 4 * GIB);
  const before = await blocksDigest(path);
  await cloneStateDisk(path, clone);
  assert.equal(statSync(clone).size, 4 * GIB);
  assert.ok(statSync(clone).blocks * 512 < 16 * MIB);
  await checkFilesystem(clone);
  const file = await open(clone, "r+");
  await file.write(Buffer.alloc(MIB, 0xff), 0, MIB, 0);
  await file.close();
  assert.equal(await blocksDigest(path), before);
  await checkFilesystem(path);
});

/** Digest of the first 64 MiB, where a fresh filesystem of this size keeps its beginnings. */
async function blocksDigest(path: string): Promise<string> {
  const file = await open(path, "r");
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  for await (const chunk of file.createReadStream({ end: 64 * MIB - 1 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

test("a disk that is there is never overwritten", async (t) => {
  const { path, clone } = await template(t, 256 * MIB);
  await cloneStateDisk(path, clone);
  await assert.rejects(cloneStateDisk(path, clone), /exists/);
});

test("a disk can grow, its filesystem whole, and never shrinks", async (t) => {
  const { path, clone } = await template(t, 256 * MIB);
  await cloneStateDisk(path, clone);
  await growStateDisk(clone, 512 * MIB);
  assert.equal(statSync(clone).size, 512 * MIB);
  await checkFilesystem(clone);
  await assert.rejects(growStateDisk(clone, 256 * MIB), { code: "invalid_argument", hint: "at least 512M" });
  assert.equal(statSync(clone).size, 512 * MIB);
});

test("a cancelled template leaves nothing", async (t) => {
  const paths = temporaryPaths(t);
  const abort = new AbortController();
  const making = ensureStateTemplate(paths, 8 * GIB, abort.signal);
  abort.abort(new Error("not any more"));
  await assert.rejects(making, /not any more/);
  const path = await ensureStateTemplate(paths, 8 * GIB, signal);
  assert.deepEqual(readdirSync(dirname(path)), [path.slice(dirname(path).length + 1)]);
});
