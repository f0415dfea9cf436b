/** Images that are files of this host: a root filesystem's tar, archives of docker and podman, OCI layouts as folder or tar. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import type { Work } from "../../core/stage.ts";
import { exists } from "../../host/files.ts";
import { type Survey, surveyArchive, visitMembers } from "./archive.ts";
import type { Layer, LayerStore } from "./layer-store.ts";
import {
  type Config,
  checkConfig,
  type Descriptor,
  DocumentError,
  hostArchitecture,
  MAX_DOCUMENT,
  parseImageConfig,
  parseTop,
  selectPlatform,
} from "./manifest.ts";
import { DIGEST } from "./reference.ts";

/** An image whose parts were found; its layers are not in the store yet. */
export interface LocalImage {
  /** The name that it carries itself, if any. */
  readonly name: string | null;
  /** sha256 that tells this image from others, in hex. */
  readonly origin: string;
  /** Null for a bare root filesystem. */
  readonly config: Config | null;
  /** Brings the layers into the store, lowest first. */
  layers(store: LayerStore, work: Work): Promise<Layer[]>;
}

/** A path in words: an open file of the command line's, which has no name, is what came on its standard input. */
export const shownPath = (path: string): string =>
  /^\/proc\/\d+\/fd\/\d+$/.test(path) ? "standard input" : path;

/**
 * Finds the image at a path.
 * @param wanted the name of the image when there are several, else null
 * @throws DocumentError | LayerError
 */
export async function openLocalImage(path: string, wanted: string | null, work: Work): Promise<LocalImage> {
  const info = await stat(path).catch(() => null);
  if (info?.isDirectory()) {
    if (!(await exists(join(path, "oci-layout")))) {
      throw new DocumentError("it is a folder without the file 'oci-layout'; a folder must be an OCI layout");
    }
    return fromLayout(layoutFolder(path), wanted);
  }
  if (!info?.isFile()) throw new DocumentError("there is no such file");
  work.report.stage("reading the archive", basename(shownPath(path)));
  const survey = await surveyArchive(path, work.signal);
  if (survey.members === null) return fromRootfs(path, survey);
  if (survey.members.has("manifest.json")) return fromDockerArchive(path, survey, wanted);
  return fromLayout(layoutArchive(path, survey), wanted);
}

function fromRootfs(path: string, { digest, size }: Survey): LocalImage {
  return {
    name: null,
    origin: digest,
    config: null,
    layers: async (store, work) => {
      const open = (offset: number, signal: AbortSignal) => createReadStream(path, { start: offset, signal });
      return [await store.ensure({ digest, size, open }, work, meter(work, size))];
    },
  };
}

const DockerManifest = z
  .array(
    z.object({
      Config: z.string(),
      RepoTags: z.array(z.string()).nullish(),
      Layers: z.array(z.string()).max(500),
    }),
  )
  .min(1)
  .max(1000);

function fromDockerArchive(path: string, survey: Survey, wanted: string | null): LocalImage {
  const member = (name: string) => {
    const found = survey.members?.get(name);
    if (!found) throw new DocumentError(`'${name}' is missing in it`);
    return found;
  };
  const document = (name: string) => member(name).document ?? Buffer.alloc(0);
  const parsed = DockerManifest.safeParse(tryJson(document("manifest.json")));
  if (!parsed.success) throw new DocumentError("its manifest.json is malformed");
  const named = parsed.data.map((entry) => ({ entry, names: entry.RepoTags ?? [] }));
  const { entry, names } = choose(named, wanted);
  const config = parseImageConfig(document(entry.Config));
  checkConfig(config, entry.Layers.length);
  return {
    name: names[0] ?? null,
    origin: member(entry.Config).digest,
    config,
    layers: (store, work) => gather(path, survey, entry.Layers.map(member), store, work),
  };
}

/** Where a layout's documents and blobs are. */
interface LayoutSource {
  readonly document: (name: string) => Promise<Buffer>;
  readonly layers: (wanted: readonly Descriptor[], store: LayerStore, work: Work) => Promise<Layer[]>;
}

const LayoutIndex = z.object({
  manifests: z
    .array(
      z.object({
        mediaType: z.string().default(""),
        digest: z.string().regex(DIGEST),
        size: z.int().nonnegative(),
        annotations: z.record(z.string(), z.string()).nullish(),
        platform: z.object({ os: z.string().default(""), architecture: z.string().default("") }).optional(),
      }),
    )
    .max(1000),
});
const NAMES = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

async function fromLayout(source: LayoutSource, wanted: string | null): Promise<LocalImage> {
  const index = LayoutIndex.safeParse(tryJson(await source.document("index.json")));
  if (!index.success) throw new DocumentError("its index.json is malformed");
  const fitting = index.data.manifests.filter(
    ({ platform }) => (platform?.architecture || hostArchitecture()) === hostArchitecture(),
  );
  const named = fitting.map((entry) => ({
    entry,
    names: NAMES.flatMap((key) => entry.annotations?.[key] ?? []),
  }));
  const { entry, names } = choose(named, wanted);
  let { digest, mediaType } = entry;
  let top = parseTop(await checked(source, digest), mediaType || null);
  for (let depth = 0; "index" in top; depth++) {
    if (depth === 3) throw new DocumentError("its index names indexes more than 3 deep");
    ({ digest, mediaType } = selectPlatform(top.index, hostArchitecture()));
    top = parseTop(await checked(source, digest), mediaType || null);
  }
  const { manifest } = top;
  const config = parseImageConfig(await checked(source, manifest.config.digest));
  checkConfig(config, manifest.layers.length);
  return {
    name: names[0] ?? null,
    origin: digest.slice("sha256:".length),
    config,
    layers: (store, work) => source.layers(manifest.layers, store, work),
  };
}

/** @throws DocumentError naming what there is */
function choose<T extends { readonly names: readonly string[] }>(
  all: readonly T[],
  wanted: string | null,
): T {
  const fitting = wanted === null ? all : all.filter(({ names }) => names.includes(wanted));
  const [only, second] = fitting;
  if (only && !second) return only;
  const names =
    all
      .flatMap((each) => each.names)
      .slice(0, 20)
      .join(", ") || "none with a name";
  throw new DocumentError(
    only
      ? `it holds several images (choose one with --tag): ${names}`
      : `it holds no such image, but: ${names}`,
  );
}

async function checked(source: LayoutSource, digest: string): Promise<Buffer> {
  const bytes = await source.document(`blobs/sha256/${digest.slice("sha256:".length)}`);
  const found = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  if (found !== digest) throw new DocumentError(`its document ${digest} has the digest ${found}`);
  return bytes;
}

function layoutFolder(folder: string): LayoutSource {
  return {
    document: async (name) => {
      const path = join(folder, name);
      const size = (await stat(path).catch(() => null))?.size;
      if (size === undefined) throw new DocumentError(`'${name}' is missing in it`);
      if (size > MAX_DOCUMENT) throw new DocumentError(`'${name}' in it has ${size} bytes`);
      return readFile(path);
    },
    layers: async (wanted, store, work) => {
      const note = meter(work, total(wanted));
      const layers: Layer[] = [];
      for (const { digest, size } of wanted) {
        const hex = digest.slice("sha256:".length);
        const open = (offset: number, signal: AbortSignal) =>
          createReadStream(join(folder, "blobs/sha256", hex), { start: offset, signal });
        layers.push(await store.ensure({ digest: hex, size, open }, work, note));
      }
      return layers;
    },
  };
}

function layoutArchive(path: string, survey: Survey): LayoutSource {
  return {
    document: async (name) => {
      const found = survey.members?.get(name)?.document;
      if (!found) throw new DocumentError(`'${name}' is missing in it`);
      return found;
    },
    layers: (wanted, store, work) => {
      const parts = wanted.map(({ digest, size }) => ({ digest: digest.slice("sha256:".length), size }));
      return gather(path, survey, parts, store, work);
    },
  };
}

/** Brings layers of an archive into the store, in the order in which they stand in it. */
async function gather(
  path: string,
  survey: Survey,
  wanted: readonly { readonly digest: string; readonly size: number }[],
  store: LayerStore,
  work: Work,
): Promise<Layer[]> {
  const note = meter(work, total(wanted));
  const found = new Map<string, Layer>();
  const sizes = new Map(wanted.map(({ digest, size }) => [digest, size]));
  const members = [...(survey.members ?? [])].filter(([, { digest }]) => sizes.has(digest));
  const visit = async (digest: string, content: AsyncGenerator<Buffer>) => {
    if (found.has(digest)) return;
    const open = (offset: number) => from(offset, content);
    found.set(digest, await store.ensure({ digest, size: sizes.get(digest) ?? 0, open }, work, note));
  };
  await visitMembers(path, new Map(members.map(([name, { digest }]) => [name, digest])), visit, work.signal);
  return wanted.map(({ digest }) => {
    const layer = found.get(digest);
    if (!layer) throw new DocumentError(`its layer sha256:${digest} is missing in it`);
    return layer;
  });
}

/** Content without its first bytes, which an earlier try has brought already. */
async function* from(offset: number, content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let skip = offset;
  for await (const chunk of content) {
    if (skip < chunk.length) yield chunk.subarray(skip);
    skip = Math.max(0, skip - chunk.length);
  }
}

const total = (parts: readonly { readonly size: number }[]) => parts.reduce((sum, { size }) => sum + size, 0);

/** Reports what has come of all layers. */
function meter(work: Work, all: number): (done: number) => void {
  work.report.stage("reading layers");
  let before = 0;
  let last = 0;
  return (done) => {
    if (done < last) before += last;
    last = done;
    work.report.progress({ done: Math.min(before + last, all), total: all, unit: "bytes" });
  };
}

function tryJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return null;
  }
}
