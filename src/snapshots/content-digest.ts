/**
 * A checksum of a sparse file's content that does not read its holes: sha256 over its size and, in order, the offset and the
 * bytes of each unit of 64 KiB that holds anything but zeros. Where the holes lie makes no difference, so that of a copy is the same.
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { dataExtents, widened } from "../disk/extents.ts";

const UNIT = 64 * 1024;
const PIECE = 16 * UNIT;
const ZEROS = Buffer.alloc(UNIT);

/** A regular file with one name that is no symbolic link: what a monitor may have put in its place is refused. */
export async function openPlain(path: string) {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const info = await file.stat();
  if (info.isFile() && info.nlink === 1) return { file, size: info.size };
  await file.close();
  throw new Error("it is no plain file");
}

/**
 * @param onBytes told how many bytes were looked at
 * @returns in hex; the file must not change meanwhile
 */
export async function contentDigest(
  path: string,
  signal: AbortSignal,
  onBytes: (bytes: number) => void = () => {},
): Promise<string> {
  const { file, size } = await openPlain(path);
  try {
    const hash = createHash("sha256").update(number(size));
    const buffer = Buffer.allocUnsafe(PIECE);
    for (const { offset, size: length } of widened(await dataExtents(path, signal), UNIT, 0, size)) {
      for (let at = offset; at < offset + length; ) {
        signal.throwIfAborted();
        const { bytesRead } = await file.read(buffer, 0, Math.min(PIECE, offset + length - at), at);
        if (bytesRead === 0) throw new Error("it became shorter while it was read");
        // A short read would shift the units: only what is whole is taken, the rest is read again.
        const whole = at + bytesRead === size ? bytesRead : bytesRead - (bytesRead % UNIT);
        for (let i = 0; i < whole; i += UNIT) {
          const unit = buffer.subarray(i, Math.min(i + UNIT, whole));
          if (!unit.equals(unit.length === UNIT ? ZEROS : ZEROS.subarray(0, unit.length)))
            hash.update(number(at + i)).update(unit);
        }
        onBytes(whole);
        at += whole;
      }
    }
    return hash.digest("hex");
  } finally {
    await file.close();
  }
}

function number(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}
