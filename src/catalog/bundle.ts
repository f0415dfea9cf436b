/**
 * Bundles: `tar.zst` files that carry an image or a kernel to another host. One holds manifest.json, then exactly the files
 * that it names, in its order: of an image `rootfs`, of a kernel `vmlinuz`, and `modules.squashfs` and `config` if it has
 * them. The same files give the same bytes: no times, owners or names of this host are in it.
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import { z } from "zod";
import { END, memberHeader, paddingAfter } from "../archive/writer.ts";
import { hashFile } from "../host/hash.ts";
import { KINDS, type Kind, MAX_BUNDLE, sha256 } from "./document.ts";

export const MANIFEST = "manifest.json";
/** Real ones have a few kilobytes. */
export const MAX_MANIFEST = 1024 * 1024;
/** The files are compressed already (lz4); higher levels gain a percent and take five times as long. */
const LEVEL = 6;
/** What zstd is fed at a time: what it makes of the same bytes depends on how they come. */
const PIECE = 1024 * 1024;

/** What a bundle of a kind may hold. */
export const FILES: Readonly<Record<Kind, { readonly needed: string; readonly allowed: RegExp }>> = {
  image: { needed: "rootfs", allowed: /^rootfs$/ },
  kernel: { needed: "vmlinuz", allowed: /^(vmlinuz|modules\.squashfs|config)$/ },
};

const file = z.object({ name: z.string().max(100), size: z.int().nonnegative().max(MAX_BUNDLE), sha256 });

export const bundleManifest = z.object({
  bundle: z.literal(1),
  kind: z.enum(KINDS),
  name: z.string().max(63),
  arch: z.string().max(16),
  /** As the store knows it; checked by the store against what came. */
  digest: sha256,
  /** What the store keeps about it, such as an image's environment; checked by the store. */
  details: z.record(z.string(), z.unknown()),
  files: z.array(file).min(1).max(3),
});
export type BundleManifest = Readonly<z.infer<typeof bundleManifest>>;

/** What goes into a bundle. */
export interface BundleContent extends Omit<BundleManifest, "bundle" | "files"> {
  /** Names in the bundle, and the files of this host that they are. */
  readonly files: readonly { readonly name: string; readonly path: string }[];
}

/** Sha256 and size of what was written. */
export interface Written {
  readonly sha256: string;
  readonly size: number;
}

/**
 * Writes a bundle to `target`, which must not exist.
 * @param onBytes hears how many bytes of the files are in it, and how many there are
 */
export async function writeBundle(
  content: BundleContent,
  target: string,
  signal: AbortSignal,
  onBytes: (done: number, total: number) => void,
): Promise<Written> {
  const { files: given, ...facts } = content;
  const files = await Promise.all(
    given.map(async ({ name, path }) => ({
      name,
      size: (await stat(path)).size,
      sha256: await hashFile(path, signal),
    })),
  );
  const manifest: BundleManifest = { bundle: 1, ...facts, files };
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  async function* tar(): AsyncGenerator<Buffer> {
    const text = Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`);
    yield member(MANIFEST, text.length);
    yield text;
    yield Buffer.alloc(paddingAfter(text.length));
    for (const [at, { name, size }] of files.entries()) {
      yield member(name, size);
      for await (const chunk of createReadStream(given[at]?.path ?? "", { highWaterMark: PIECE, signal })) {
        done += (chunk as Buffer).length;
        onBytes(done, total);
        yield chunk as Buffer;
      }
      yield Buffer.alloc(paddingAfter(size));
    }
    yield END;
  }
  const hash = createHash("sha256");
  let size = 0;
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
  await pipeline(
    Readable.from(inPieces(tar()), { objectMode: false }),
    zstd,
    async function* (packed: AsyncIterable<Buffer>) {
      for await (const chunk of packed) {
        hash.update(chunk);
        size += chunk.length;
        yield chunk;
      }
    },
    createWriteStream(target, { flags: "wx", mode: 0o644 }),
    { signal },
  );
  return { sha256: hash.digest("hex"), size };
}

function member(name: string, size: number): Buffer {
  const facts = { link: Buffer.alloc(0), mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, segments: null };
  return memberHeader({ name: Buffer.from(name), type: "file", size, ...facts });
}

async function* inPieces(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafe(PIECE);
  let used = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const taken = chunk.copy(piece, used, at);
      at += taken;
      used += taken;
      if (used < PIECE) continue;
      yield piece;
      piece = Buffer.allocUnsafe(PIECE);
      used = 0;
    }
  }
  if (used > 0) yield piece.subarray(0, used);
}
