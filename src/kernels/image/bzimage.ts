/** Takes the ELF kernel out of a bzImage: what Firecracker boots, and what QEMU boots faster (PVH). */
import { promisify } from "node:util";
import { gunzip, zstdDecompress } from "node:zlib";
import { decompressXz } from "../../host/xz.ts";
import { isElf } from "./elf.ts";
import { decodeLegacyLz4, isLegacyLz4 } from "./lz4.ts";
import { UnusableKernel } from "./unusable.ts";

/** A kernel of a distribution is 50 to 70 MB unpacked. */
export const MAX_KERNEL = 512 * 1024 * 1024;

/** Offsets of the boot protocol's header (Documentation/arch/x86/boot.rst); the payload's fields exist since 2.08. */
const HEADER = { sectors: 0x1f1, magic: 0x202, version: 0x206, payload: 0x248, length: 0x24c, end: 0x250 };

/** Whether it has the boot protocol's mark. Pure. */
export const isBzImage = (image: Buffer): boolean =>
  image.length >= HEADER.end && image.toString("latin1", HEADER.magic, HEADER.magic + 4) === "HdrS";

/** @throws UnusableKernel */
export async function unpackKernel(image: Buffer): Promise<Buffer> {
  const payload = payloadOf(image);
  // Its last four bytes are the size of what is in it, written by the kernel's build behind the compressed data (gzip has it inside).
  const size = payload.readUInt32LE(payload.length - 4);
  if (size > MAX_KERNEL) throw new UnusableKernel(`it claims to be of ${size} bytes unpacked`);
  const kernel = await decompress(payload, size).catch((error: unknown) => {
    if (error instanceof UnusableKernel) throw error;
    throw new UnusableKernel(`its compressed part is damaged: ${(error as Error).message}`, { cause: error });
  });
  if (kernel.length !== size) throw new UnusableKernel("it is not of the size that it claims");
  if (!isElf(kernel)) throw new UnusableKernel("it does not hold a 64-bit ELF kernel");
  return kernel;
}

/** Pure. The compressed kernel within a bzImage. @throws UnusableKernel */
export function payloadOf(image: Buffer): Buffer {
  if (!isBzImage(image)) throw new UnusableKernel("it is neither ELF nor a bzImage");
  if (image.readUInt16LE(HEADER.version) < 0x208)
    throw new UnusableKernel("its boot protocol is older than 2.08");
  const sectors = image[HEADER.sectors] || 4; // 0 stands for 4
  const start = (sectors + 1) * 512 + image.readUInt32LE(HEADER.payload);
  const length = image.readUInt32LE(HEADER.length);
  if (start + length > image.length || length < 16)
    throw new UnusableKernel("its payload is not where its header says");
  return image.subarray(start, start + length);
}

/** What the kernel's build may pack with, by how it begins. */
const KNOWN = "gzip, xz, zstd and lz4 are known";
const UNKNOWN: readonly (readonly [magic: string, name: string])[] = [
  ["425a68", "bzip2"],
  ["5d0000", "lzma"],
  ["894c5a4f", "lzo"],
];

/** @param limit most bytes to give back; what is larger is an error */
async function decompress(payload: Buffer, limit: number): Promise<Buffer> {
  const data = payload.subarray(0, -4);
  const bound = { maxOutputLength: Math.max(limit, 1) };
  const magic = payload.toString("hex", 0, 6);
  if (magic.startsWith("1f8b")) return promisify(gunzip)(payload, bound);
  if (magic.startsWith("28b52ffd")) return promisify(zstdDecompress)(data, bound);
  if (magic.startsWith("fd377a585a00")) return decompressXz(data, limit);
  if (isLegacyLz4(data)) return decodeLegacyLz4(data, limit);
  if (magic.startsWith("7f454c46")) return data;
  const name = UNKNOWN.find(([beginning]) => magic.startsWith(beginning))?.[1];
  throw new UnusableKernel(
    `it is compressed with ${name ?? "something that banger does not know"}; ${KNOWN}`,
  );
}
