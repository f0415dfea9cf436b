/** The uncompressed ELF kernel that Firecracker boots, taken out of a bzImage and kept by its digest. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { exists, privateDirectory, publishFile } from "../../host/files.ts";
import { hashParts } from "../../host/hash.ts";
import { decompressXz } from "../../host/xz.ts";
import { decodeLegacyLz4, isLegacyLz4 } from "./lz4.ts";

/** A kernel of a distribution is 50 to 70 MB unpacked. */
const MAX_KERNEL = 512 * 1024 * 1024;
const LAYOUT = "1";

/** A kernel image that cannot be booted by Firecracker. */
export class UnusableImage extends Error {}

/**
 * @param image a bzImage, or an ELF kernel already
 * @returns `<cache>/vmlinux/<digest of the image>`, or `image` itself when it is ELF
 * @throws UnusableImage
 */
export async function elfKernel(cache: string, image: string): Promise<string> {
  const bytes = await readFile(image);
  if (isElf(bytes)) return image;
  const digest = hashParts([
    ["layout", LAYOUT],
    ["image", bytes],
  ]);
  const target = join(await privateDirectory(join(cache, "vmlinux")), digest);
  if (!(await exists(target))) {
    const kernel = await unpackKernel(bytes);
    await publishFile(target, (temporary) => writeFile(temporary, kernel, { mode: 0o600, flag: "wx" }));
  }
  return target;
}

/** @throws UnusableImage */
export async function unpackKernel(image: Buffer): Promise<Buffer> {
  const payload = payloadOf(image);
  const kernel = await decompress(payload).catch((error: unknown) => {
    if (error instanceof UnusableImage) throw error;
    throw new UnusableImage(`its compressed part is damaged: ${(error as Error).message}`, { cause: error });
  });
  if (!isElf(kernel)) throw new UnusableImage("it does not hold a 64-bit ELF kernel");
  return kernel;
}

/** Offsets of the boot protocol's header (Documentation/arch/x86/boot.rst); the payload's fields exist since 2.08. */
const HEADER = { sectors: 0x1f1, magic: 0x202, version: 0x206, payload: 0x248, length: 0x24c, end: 0x250 };

/** Pure. The compressed kernel within a bzImage. @throws UnusableImage */
export function payloadOf(image: Buffer): Buffer {
  if (image.length < HEADER.end || image.toString("latin1", HEADER.magic, HEADER.magic + 4) !== "HdrS")
    throw new UnusableImage("it is neither ELF nor a bzImage");
  if (image.readUInt16LE(HEADER.version) < 0x208)
    throw new UnusableImage("its boot protocol is older than 2.08");
  const sectors = image[HEADER.sectors] || 4; // 0 stands for 4
  const start = (sectors + 1) * 512 + image.readUInt32LE(HEADER.payload);
  const length = image.readUInt32LE(HEADER.length);
  if (start + length > image.length || length < 16)
    throw new UnusableImage("its payload is not where its header says");
  return image.subarray(start, start + length);
}

async function decompress(payload: Buffer): Promise<Buffer> {
  // Its last four bytes are the size of what is in it, written by the kernel's build behind the compressed data (gzip has it inside).
  const data = payload.subarray(0, -4);
  const magic = payload.toString("hex", 0, 6);
  if (magic.startsWith("1f8b")) return gunzipSync(payload, { maxOutputLength: MAX_KERNEL });
  if (magic.startsWith("28b52ffd")) return zstdDecompressSync(data, { maxOutputLength: MAX_KERNEL });
  if (magic.startsWith("fd377a585a00")) return decompressXz(data, MAX_KERNEL);
  if (isLegacyLz4(data)) return decodeLegacyLz4(data, MAX_KERNEL);
  if (magic.startsWith("7f454c46")) return payload;
  throw new UnusableImage(
    "it is compressed in a way that banger does not know; gzip, xz, zstd and lz4 are known",
  );
}

const ELF64_LITTLE = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
const isElf = (bytes: Buffer) => bytes.subarray(0, ELF64_LITTLE.length).equals(ELF64_LITTLE);
