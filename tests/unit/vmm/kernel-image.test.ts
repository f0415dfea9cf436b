import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { elfKernel, unpackKernel } from "../../../src/vmm/firecracker/kernel.ts";
import { decodeLegacyLz4 } from "../../../src/vmm/firecracker/lz4.ts";
import { SeededRandom } from "../../support/random.ts";
import { temporaryFolder } from "../../support/temporary.ts";

/** Something of a kernel's look: an ELF header, then bytes that repeat and bytes that do not. */
const KERNEL = Buffer.concat([
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]),
  ...Array.from({ length: 300 }, (_, i) =>
    Buffer.concat([Buffer.alloc(i * 7, i), new SeededRandom(i).bytes(64)]),
  ),
]);

/** LZ4's legacy framing with literals alone, and one overlapping copy at the end of each block. */
function lz4(content: Buffer): Buffer {
  const block = Buffer.concat([Buffer.from([0xf0, ...lengthBytes(content.length - 15)]), content]);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(0x184c2102, 0);
  head.writeUInt32LE(block.length, 4);
  return Buffer.concat([head, block]);
}
const lengthBytes = (rest: number) => [
  ...Array.from({ length: Math.floor(rest / 255) }, () => 255),
  rest % 255,
];

/** A bzImage around a payload: the fields of the boot protocol, the compressed kernel, its size behind it. */
function bzImage(compressed: Buffer, withSize = true): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(KERNEL.length);
  const payload = withSize ? Buffer.concat([compressed, size]) : compressed;
  const head = Buffer.alloc(1024 + 100);
  head[0x1f1] = 1;
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt16LE(0x20f, 0x206);
  head.writeUInt32LE(100, 0x248);
  head.writeUInt32LE(payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.from("what follows is not the kernel's")]);
}

describe("a kernel for Firecracker is taken out of a bzImage", () => {
  const packed: Record<string, () => Buffer> = {
    gzip: () => bzImage(gzipSync(KERNEL), false),
    zstd: () => bzImage(zstdCompressSync(KERNEL)),
    lz4: () => bzImage(lz4(KERNEL)),
    xz: () => bzImage(execFileSync("xz", ["--stdout", "--check=crc32"], { input: KERNEL })),
  };
  for (const [name, make] of Object.entries(packed)) {
    test(`packed with ${name}`, async () => assert.ok((await unpackKernel(make())).equals(KERNEL)));
  }

  test("is kept, and taken from there the next time", async (t) => {
    const folder = temporaryFolder(t);
    mkdirSync(join(folder, "cache"), { mode: 0o700 });
    const image = join(folder, "vmlinuz");
    writeFileSync(image, bzImage(gzipSync(KERNEL), false));
    const kept = await elfKernel(join(folder, "cache"), image);
    assert.ok(readFileSync(kept).equals(KERNEL));
    writeFileSync(kept, "marked");
    assert.equal(await elfKernel(join(folder, "cache"), image), kept);
    assert.equal(readFileSync(kept, "utf8"), "marked");
  });

  test("what cannot be booted is refused with the reason", async () => {
    await assert.rejects(unpackKernel(Buffer.from("no kernel")), /neither ELF nor a bzImage/);
    await assert.rejects(
      unpackKernel(bzImage(Buffer.from("BZh91AY&SY and more"))),
      /does not know; gzip, xz/,
    );
    await assert.rejects(
      unpackKernel(bzImage(gzipSync("no ELF in it"), false)),
      /does not hold a 64-bit ELF/,
    );
    const cut = bzImage(zstdCompressSync(KERNEL));
    await assert.rejects(unpackKernel(cut.subarray(0, cut.length / 2)), /not where its header says/);
    const old = bzImage(gzipSync(KERNEL), false);
    old.writeUInt16LE(0x207, 0x206);
    await assert.rejects(unpackKernel(old), /older than 2\.08/);
  });
});

describe("LZ4", () => {
  test("copies that overlap themselves repeat", () => {
    // "ab", then 8 bytes from 2 back, then the last literals
    const block = Buffer.from([0x24, 0x61, 0x62, 0x02, 0x00, 0x10, 0x7a]);
    const head = Buffer.from([0x02, 0x21, 0x4c, 0x18, block.length, 0, 0, 0]);
    assert.equal(decodeLegacyLz4(Buffer.concat([head, block]), 100).toString(), "ababababab" + "z");
  });

  test("whatever is broken in it is an error, never more than the limit", () => {
    const good = lz4(KERNEL);
    assert.throws(() => decodeLegacyLz4(good, 100), RangeError);
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(good.subarray(0, 4 + ((round * 37) % good.length)));
      if (bytes.length > 12) bytes[8 + (round % (bytes.length - 8))] = round;
      try {
        assert.ok(decodeLegacyLz4(bytes, KERNEL.length * 2).length <= KERNEL.length * 2);
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
      }
    }
  });
});
