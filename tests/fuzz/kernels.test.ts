/** Kernel images with bytes changed, cut and repeated: refused with a reason, or something of bounded size. */
import assert from "node:assert/strict";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { unpackKernel } from "../../src/kernels/image/bzimage.ts";
import { hasPvhEntry } from "../../src/kernels/image/elf.ts";
import { configOf, lackingOptions, releaseOf } from "../../src/kernels/image/identity.ts";
import { UnusableKernel } from "../../src/kernels/image/unusable.ts";
import { bzImage, fakeElf, literalLz4 } from "../support/kernels.ts";
import { fuzz, SeededRandom } from "../support/random.ts";

const folder = await mkdtemp(join(tmpdir(), "banger-fuzz-"));
after(() => rm(folder, { recursive: true }));
const elf = fakeElf({ more: new SeededRandom(1).bytes(4096) });
// Without xz: its decoder is the host's program, and each attempt would start one.
const IMAGES = [
  bzImage(gzipSync(elf), null),
  bzImage(zstdCompressSync(elf), elf.length),
  bzImage(literalLz4(elf), elf.length),
  bzImage(elf, elf.length),
];

/** Headers are where the offsets are: half of the changes go there. */
function damage(random: SeededRandom, original: Buffer, header: number): Buffer {
  const bytes = Buffer.from(original);
  for (let changes = 1 + random.below(4); changes > 0; changes--) {
    const at = random.below(random.below(2) === 0 ? Math.min(header, bytes.length) : bytes.length);
    const word = random.pick([random.bytes(1), Buffer.alloc(4, 0xff), Buffer.alloc(8), random.bytes(4)]);
    word.copy(bytes, at);
  }
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

test("bzImages", async () => {
  const attempts = await fuzz(3000, async (random) => {
    const image = damage(random, random.pick(IMAGES), 0x260);
    const kernel = await unpackKernel(image).catch((error: unknown) => {
      assert.ok(error instanceof UnusableKernel, String(error));
      return null;
    });
    if (kernel) assert.ok(kernel.length <= 1024 * 1024, `${kernel.length} bytes`);
  });
  assert.ok(attempts > 0);
});

test("ELF kernels", async () => {
  const path = join(folder, "vmlinux");
  const attempts = await fuzz(3000, async (random) => {
    const kernel = damage(random, elf, 200);
    await writeFile(path, kernel);
    await using file = await open(path);
    assert.equal(typeof (await hasPvhEntry(file)), "boolean");
    assert.match(releaseOf(kernel) ?? "1", /^\d[\w.+~-]*$/);
    assert.ok(Array.isArray(lackingOptions(configOf(kernel) ?? "", random.below(2) === 0)));
  });
  assert.ok(attempts > 0);
});
