import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { elfKernel } from "../../../src/kernels/elf-kernel.ts";
import { unpackKernel } from "../../../src/kernels/image/bzimage.ts";
import { decodeLegacyLz4 } from "../../../src/kernels/image/lz4.ts";
import { bzImage, fakeElf, literalLz4 } from "../../support/kernels.ts";
import { SeededRandom } from "../../support/random.ts";
import { temporaryFolder } from "../../support/temporary.ts";

/** Bytes that repeat and bytes that do not. */
const KERNEL = fakeElf({
  more: Buffer.concat(
    Array.from({ length: 300 }, (_, i) =>
      Buffer.concat([Buffer.alloc(i * 7, i), new SeededRandom(i).bytes(64)]),
    ),
  ),
});
const packedGzip = () => bzImage(gzipSync(KERNEL), null);
const packedZstd = (size = KERNEL.length) => bzImage(zstdCompressSync(KERNEL), size);

describe("the ELF kernel is taken out of a bzImage", () => {
  const packed: Record<string, () => Buffer> = {
    gzip: packedGzip,
    zstd: packedZstd,
    lz4: () => bzImage(literalLz4(KERNEL), KERNEL.length),
    xz: () => bzImage(execFileSync("xz", ["--stdout", "--check=crc32"], { input: KERNEL }), KERNEL.length),
  };
  for (const [name, make] of Object.entries(packed)) {
    test(`packed with ${name}`, async () => assert.ok((await unpackKernel(make())).equals(KERNEL)));
  }

  test("is kept by the kernel's digest, and taken from there the next time", async (t) => {
    const cache = temporaryFolder(t);
    const vmlinuz = join(cache, "vmlinuz");
    writeFileSync(vmlinuz, packedGzip());
    const path = join(cache, "vmlinux", "abc");
    assert.deepEqual(await elfKernel(cache, { digest: "abc", vmlinuz }), { path, pvh: true });
    assert.ok(readFileSync(path).equals(KERNEL));
    writeFileSync(path, "marked");
    const again = await elfKernel(cache, { digest: "abc", vmlinuz });
    assert.deepEqual(again, { path, pvh: false });
    assert.equal(readFileSync(path, "utf8"), "marked");
  });

  test("ELF is taken as it is; whether it can be entered directly is told by its notes", async (t) => {
    const cache = temporaryFolder(t);
    const vmlinuz = join(cache, "vmlinux-here");
    for (const pvh of [true, false]) {
      writeFileSync(vmlinuz, fakeElf({ pvh }));
      assert.deepEqual(await elfKernel(cache, { digest: "def", vmlinuz }), { path: vmlinuz, pvh });
    }
    writeFileSync(vmlinuz, "no kernel");
    const none = await elfKernel(cache, { digest: "def", vmlinuz });
    assert.deepEqual(none, { problem: "it is neither ELF nor a bzImage" });
  });

  test("what cannot be booted is refused with the reason", async () => {
    await assert.rejects(unpackKernel(Buffer.from("no kernel")), /neither ELF nor a bzImage/);
    for (const [magic, name] of [
      ["BZh91AY&SY and more", /bzip2; gzip, xz, zstd and lz4 are known/],
      ["\x5d\0\0\0\x04 lzma lzma", /lzma; gzip/],
      ["\x89LZO\0\r\n\x1a\n lzo lzo", /lzo; gzip/],
      ["something of tomorrow's", /does not know; gzip/],
    ] as const)
      await assert.rejects(unpackKernel(bzImage(Buffer.from(magic, "latin1"), 4096)), name);
    await assert.rejects(unpackKernel(bzImage(gzipSync("no ELF in it"), null)), /does not hold a 64-bit ELF/);
    const cut = packedZstd();
    await assert.rejects(unpackKernel(cut.subarray(0, cut.length / 2)), /not where its header says/);
    for (const size of [KERNEL.length - 1, KERNEL.length + 1, 0, 2 ** 32 - 1]) {
      await assert.rejects(
        unpackKernel(packedZstd(size)),
        /damaged|not of the size|claims to be/,
        String(size),
      );
    }
    const old = packedGzip();
    old.writeUInt16LE(0x207, 0x206);
    await assert.rejects(unpackKernel(old), /older than 2\.08/);
  });
});

describe("LZ4", () => {
  test("copies that overlap themselves repeat", async () => {
    // "ab", then 8 bytes from 2 back, then the last literals
    const block = Buffer.from([0x24, 0x61, 0x62, 0x02, 0x00, 0x10, 0x7a]);
    const head = Buffer.from([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0]);
    const repeated = await decodeLegacyLz4(Buffer.concat([head, block]), 100);
    assert.equal(repeated.toString(), "ababababab" + "z");
  });

  test("whatever is broken in it is an error, never more than the limit", async () => {
    const good = literalLz4(KERNEL);
    await assert.rejects(decodeLegacyLz4(good, 100), RangeError);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(good.subarray(0, 4 + ((round * 37) % good.length)));
      if (bytes.length > 12) bytes[8 + (round % (bytes.length - 8))] = round;
      try {
        assert.ok((await decodeLegacyLz4(bytes, KERNEL.length * 2)).length <= KERNEL.length * 2);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }
  });
});
