/** Images as files for other tools: the root filesystem as one tar, or an OCI layout of one layer, as folder or tar. */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { END, memberHeader, paddingAfter } from "../../archive/writer.ts";
import { BangerError } from "../../core/errors.ts";
import type { Work } from "../../core/stage.ts";
import { publishFile, requireAbsent } from "../../host/files.ts";
import { open, ProcessError } from "../../host/run.ts";
import { requireTool } from "../../host/tools.ts";
import type { Image } from "../manifest.ts";
import { hostArchitecture } from "./manifest.ts";

export const EXPORT_FORMATS = ["oci", "oci-archive", "rootfs"] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

const OCI = "application/vnd.oci.image";
/** Fast, and nearly as small as slower ones. */
const GZIP_LEVEL = 4;

/**
 * Writes an image to `target`, where nothing may be yet. Imported again it has the same tree and settings.
 * @throws invalid_argument when something is there | host_packages_missing | image_export_failed
 */
export async function exportImage(
  image: Image,
  target: string,
  format: ExportFormat,
  work: Work,
): Promise<void> {
  await requireTool("sqfs2tar");
  await requireAbsent(target, "file or folder");
  work.report.stage("exporting", image.name);
  try {
    await publishFile(target, async (temporary) => {
      if (format === "rootfs") {
        await pipeline(Readable.from(rootfsTar(image, work)), createWriteStream(temporary, { flags: "wx" }));
        return;
      }
      const folder = format === "oci" ? temporary : `${temporary}.d`;
      try {
        await writeLayout(image, folder, work);
        if (format === "oci-archive") {
          await pipeline(Readable.from(tarOfLayout(folder)), createWriteStream(temporary, { flags: "wx" }));
        }
      } finally {
        if (format === "oci-archive") await rm(folder, { recursive: true, force: true });
      }
    });
  } catch (error) {
    work.signal.throwIfAborted();
    const code = (error as NodeJS.ErrnoException).code;
    const reason = error instanceof ProcessError ? error.lastLine : code && (error as Error).message;
    if (!reason) throw error;
    throw BangerError.of("image_export_failed", { name: image.name, path: target, reason }, { cause: error });
  }
}

async function* rootfsTar(image: Image, work: Work): AsyncGenerator<Buffer> {
  const args = ["--root-becomes", ".", image.rootfs];
  const { stdin, stdout, ended } = open("sqfs2tar", args, { signal: work.signal });
  stdin.end();
  let done = 0;
  for await (const chunk of stdout) {
    done += (chunk as Buffer).length;
    work.report.progress({ done, unit: "bytes" });
    yield chunk as Buffer;
  }
  await ended;
}

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

async function writeLayout(image: Image, folder: string, work: Work): Promise<void> {
  const blobs = join(folder, "blobs/sha256");
  await mkdir(blobs, { recursive: true });
  const { descriptor: layer, diffId } = await writeLayer(image, blobs, work);
  const document = async (mediaType: string, content: object): Promise<Descriptor> => {
    const bytes = Buffer.from(JSON.stringify(content));
    const hex = createHash("sha256").update(bytes).digest("hex");
    await writeFile(join(blobs, hex), bytes);
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length };
  };
  const { user, workingDirectory, entrypoint, command } = image.run;
  const config = await document(`${OCI}.config.v1+json`, {
    created: image.createdAt,
    os: "linux",
    architecture: hostArchitecture(),
    config: {
      Env: Object.entries(image.env).map(([name, value]) => `${name}=${value}`),
      ...(user && { User: user }),
      ...(workingDirectory && { WorkingDir: workingDirectory }),
      ...(entrypoint.length > 0 && { Entrypoint: entrypoint }),
      ...(command.length > 0 && { Cmd: command }),
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
  });
  const type = `${OCI}.manifest.v1+json`;
  const manifest = await document(type, { schemaVersion: 2, mediaType: type, config, layers: [layer] });
  const annotations = { "org.opencontainers.image.ref.name": image.name };
  const index = {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: [{ ...manifest, annotations }],
  };
  await writeFile(join(folder, "index.json"), JSON.stringify(index));
  await writeFile(join(folder, "oci-layout"), JSON.stringify({ imageLayoutVersion: "1.0.0" }));
}

async function writeLayer(
  image: Image,
  blobs: string,
  work: Work,
): Promise<{ descriptor: Descriptor; diffId: string }> {
  const plain = createHash("sha256");
  const packed = createHash("sha256");
  let size = 0;
  async function* noted(
    source: AsyncIterable<Buffer>,
    note: (chunk: Buffer) => void,
  ): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      note(chunk);
      yield chunk;
    }
  }
  const file = join(blobs, "layer");
  await pipeline(
    Readable.from(noted(rootfsTar(image, work), (chunk) => plain.update(chunk))),
    createGzip({ level: GZIP_LEVEL, chunkSize: 256 * 1024 }),
    (source: AsyncIterable<Buffer>) =>
      noted(source, (chunk) => {
        packed.update(chunk);
        size += chunk.length;
      }),
    createWriteStream(file),
  );
  const hex = packed.digest("hex");
  await rename(file, join(blobs, hex));
  const descriptor = { mediaType: `${OCI}.layer.v1.tar+gzip`, digest: `sha256:${hex}`, size };
  return { descriptor, diffId: `sha256:${plain.digest("hex")}` };
}

async function* tarOfLayout(folder: string): AsyncGenerator<Buffer> {
  const blobs = (await readdir(join(folder, "blobs/sha256"))).sort().map((name) => `blobs/sha256/${name}`);
  for (const name of ["oci-layout", "index.json", ...blobs]) {
    const { size } = await stat(join(folder, name));
    const facts = { link: Buffer.alloc(0), mode: 0o644, uid: 0, gid: 0, mtimeNs: 0n, segments: null };
    yield memberHeader({ name: Buffer.from(name), type: "file", size, ...facts });
    for await (const chunk of createReadStream(join(folder, name), { highWaterMark: 256 * 1024 }))
      yield chunk as Buffer;
    yield Buffer.alloc(paddingAfter(size));
  }
  yield END;
}
