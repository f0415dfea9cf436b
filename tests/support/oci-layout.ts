/** Writes OCI layouts byte by byte: for layers that no tool would make, and for many files fast. */
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { END, paddingAfter } from "../../src/archive/writer.ts";
import type { LayerEntry } from "../../src/images/oci/layer-entry.ts";
import { sqfstarHeader } from "../../src/images/oci/sqfstar-tar.ts";

export type Entry = Partial<LayerEntry> & { readonly path: string; readonly content?: Buffer | string };

const PLAIN = { mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000, link: "", xattrs: {} };

/** A tar of entries; files unless they say otherwise. */
export async function* tarOf(entries: Iterable<Entry>): AsyncGenerator<Buffer> {
  for (const { content = "", ...entry } of entries) {
    const bytes = Buffer.from(content as string);
    const type = entry.path.endsWith("/") ? "directory" : "file";
    yield Buffer.concat([
      sqfstarHeader({ ...PLAIN, type, size: bytes.length, ...entry }),
      bytes,
      Buffer.alloc(paddingAfter(bytes.length)),
    ]);
  }
  yield END;
}

export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

/** An OCI layout under construction. */
export class Layout {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Adds a layer of whatever bytes, gzipped. @returns its descriptor, and the digest of the bytes */
  async layer(tar: AsyncIterable<Buffer>): Promise<Blob & { readonly diffId: string }> {
    const blobs = join(this.folder, "blobs/sha256");
    await mkdir(blobs, { recursive: true });
    const plain = hashing();
    const packed = hashing();
    const temporary = join(blobs, "new");
    await pipeline(
      Readable.from(tar),
      plain.stream,
      createGzip({ level: 6 }),
      packed.stream,
      createWriteStream(temporary),
    );
    const digest = packed.digest();
    await rename(temporary, join(blobs, digest));
    return {
      mediaType: "application/vnd.oci.image.layer.v1.tar+gzip",
      digest: `sha256:${digest}`,
      size: packed.size(),
      diffId: `sha256:${plain.digest()}`,
    };
  }

  /** Adds a JSON document. */
  async document(mediaType: string, content: unknown): Promise<Blob> {
    const bytes = Buffer.from(JSON.stringify(content));
    const digest = createHash("sha256").update(bytes).digest("hex");
    await mkdir(join(this.folder, "blobs/sha256"), { recursive: true });
    await writeFile(join(this.folder, "blobs/sha256", digest), bytes);
    return { mediaType, digest: `sha256:${digest}`, size: bytes.length };
  }

  /** Names an image of these layers in the layout's index. */
  async image(
    name: string,
    layers: readonly (Blob & { readonly diffId: string })[],
    config: Readonly<Record<string, unknown>> = {},
  ): Promise<Blob> {
    const settings = await this.document("application/vnd.oci.image.config.v1+json", {
      os: "linux",
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      config,
      rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    });
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const manifest = await this.document(mediaType, {
      schemaVersion: 2,
      mediaType,
      config: settings,
      layers: layers.map(({ diffId: _, ...descriptor }) => descriptor),
    });
    await writeFile(join(this.folder, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
    const annotations = { "org.opencontainers.image.ref.name": name };
    const index = { schemaVersion: 2, manifests: [{ ...manifest, annotations }] };
    await writeFile(join(this.folder, "index.json"), JSON.stringify(index));
    return manifest;
  }
}

function hashing() {
  const hash = createHash("sha256");
  let size = 0;
  const stream = new Transform({
    transform(chunk: Buffer, _, done) {
      hash.update(chunk);
      size += chunk.length;
      done(null, chunk);
    },
  });
  return { stream, digest: () => hash.digest("hex"), size: () => size };
}
