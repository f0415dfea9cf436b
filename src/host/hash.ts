/** Digests of files, streamed. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** sha256 of a file's content, in hex. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, {
    highWaterMark: 1 << 20,
    ...(signal ? { signal } : {}),
  })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
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
