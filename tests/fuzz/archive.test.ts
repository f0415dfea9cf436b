/**
 * The host's tar reader and unpacker against mutated archives: they unpack or refuse, the same however the bytes are
 * cut, and nothing outside the target changes. Run as root, which no mode protects from.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { BLOCK, type MemberType } from "../../src/archive/member.ts";
import { TarReader } from "../../src/archive/reader.ts";
import { Unpacker } from "../../src/archive/unpack.ts";
import { BangerError } from "../../src/core/errors.ts";
import { archive, type Made } from "../support/archive.ts";
import { fuzz, type SeededRandom } from "../support/random.ts";

const TYPES: readonly MemberType[] = ["file", "file", "directory", "symlink", "hardlink", "fifo"];
const NAMES = [
  "a",
  "b",
  "a/b",
  "b/c",
  "./a",
  "..",
  "../outside/x",
  "/tmp/x",
  "a/../b",
  "x".repeat(150),
  "ü\n",
];
const CODES = ["archive_invalid", "host_file_failed", "no_space"];

function made(random: SeededRandom): Made {
  const content = random.bytes(random.pick([0, 1, 511, 512, 3000]));
  const type = random.pick(TYPES);
  const sparse = type === "file" && content.length > 0 && random.below(4) === 0;
  return {
    name: random.below(9) === 0 ? random.bytes(1 + random.below(300)) : random.pick(NAMES),
    type,
    link: random.pick(NAMES),
    mode: random.below(0o10000) | 0o700,
    mtimeNs: BigInt(random.below(2 ** 31)) * BigInt(1 + random.below(2 ** 20)),
    ...(type === "file" && { content }),
    ...(sparse && { size: 10_000, segments: [{ offset: random.below(7000), size: content.length }] }),
  };
}

/** Headers are repaired half of the time: otherwise the checksum refuses nearly everything. */
function mutate(bytes: Buffer, random: SeededRandom): Buffer {
  for (let n = random.below(4); n > 0; n--) {
    const block = BLOCK * random.below(bytes.length / BLOCK);
    bytes[block + random.below(random.pick([BLOCK, 160]))] = random.below(256);
    if (random.below(2) === 0) continue;
    bytes.fill(" ", block + 148, block + 156);
    const sum = bytes.subarray(block, block + BLOCK).reduce((total, byte) => total + byte, 0);
    bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, block + 148, "latin1");
  }
  return random.below(10) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

const makeArchive = (random: SeededRandom) =>
  mutate(archive(...Array.from({ length: 1 + random.below(5) }, () => made(random))), random);

/** What a reader makes of the bytes, in pieces of that size. */
function read(bytes: Buffer, piece: number): string[] {
  const seen: string[] = [];
  let stored = 0;
  const reader = new TarReader({
    begin: (member) => {
      stored = 0;
      seen.push(JSON.stringify(member, (_, value) => (typeof value === "bigint" ? String(value) : value)));
    },
    data: (chunk, position) => {
      assert.ok(position >= 0 && chunk.length > 0);
      stored += chunk.length;
    },
    end: () => seen.push(`${stored} bytes`),
  });
  try {
    for (let at = 0; at < bytes.length; at += piece) reader.push(bytes.subarray(at, at + piece));
    reader.finish();
  } catch (error) {
    assert.ok(error instanceof BangerError && error.code === "archive_invalid", String(error));
    seen.push(error.message);
  }
  return seen;
}

test("mutated archives are read the same however they are cut", async () => {
  let whole = 0;
  let refused = 0;
  const attempts = await fuzz(4000, (random) => {
    const bytes = makeArchive(random);
    const one = read(bytes, bytes.length || 1);
    assert.deepEqual(read(bytes, 1 + random.below(random.pick([3, 700]))), one);
    one.at(-1)?.endsWith("bytes") ? whole++ : refused++;
  });
  if (attempts > 100) assert.ok(whole > attempts / 20 && refused > attempts / 20, `${whole}, ${refused}`);
});

test("mutated archives are unpacked beneath the target or refused", async () => {
  const folder = mkdtempSync(join(tmpdir(), "banger-fuzz-"));
  const [target, outside] = [join(folder, "target"), join(folder, "outside")];
  mkdirSync(outside);
  writeFileSync(join(outside, "x"), "untouched");
  try {
    await fuzz(4000, (random) => {
      mkdirSync(target);
      for (let n = 0; n < 2; n++) {
        const unpacker = new Unpacker(target); // twice: the second time over what the first one made
        try {
          unpacker.push(makeArchive(random));
          unpacker.finish();
        } catch (error) {
          unpacker.abandon();
          assert.ok(
            error instanceof BangerError && CODES.includes(error.code),
            String((error as Error).stack),
          );
        }
      }
      assert.deepEqual(partsBelow(Buffer.from(target)), [], "no temporary file may be left");
      rmSync(target, { recursive: true });
      assert.deepEqual(readdirSync(folder), ["outside"]);
      assert.deepEqual(readdirSync(outside), ["x"]);
      assert.equal(readFileSync(join(outside, "x"), "utf8"), "untouched");
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** Temporary files in a folder. Symlinks are not followed: two that lead upwards make a tree without end. */
function partsBelow(folder: Buffer): string[] {
  return readdirSync(folder, { withFileTypes: true, encoding: "buffer" }).flatMap((entry) => {
    const path = Buffer.concat([folder, Buffer.from("/"), entry.name]);
    if (entry.isDirectory()) return partsBelow(path);
    return entry.name.includes(".part") ? [path.toString("latin1")] : [];
  });
}
