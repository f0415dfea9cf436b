/** Digests of files, streamed. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";

const PIECE = 1024 * 1024;

/** sha256 of a file's content, in hex. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  await using file = await open(path);
  const piece = Buffer.allocUnsafe(PIECE);
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(piece);
    if (bytesRead === 0) return hash.digest("hex");
    hash.update(piece.subarray(0, bytesRead));
  }
}

/** sha256 over labelled parts, in hex. Lengths are hashed too, so no two lists of parts collide. */
export function hashParts(
  parts: readonly (readonly [label: string, content: string | Uint8Array])[],
): string {
  const hash = createHash("sha256");
  for (const [label, content] of parts) {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    hash.update(`${Buffer.byteLength(label)}:${label}=${bytes.length}:`).update(bytes);
  }
  return hash.digest("hex");
}
