/** The JSON documents of an image: index, manifest and configuration, of OCI and of Docker. Pure; all of it is untrusted. */
import { z } from "zod";
import { DIGEST } from "./reference.ts";

/** Documents are read into memory, so they are bounded; real ones have a few kilobytes. */
export const MAX_DOCUMENT = 4 * 1024 * 1024;
/** More than any builder makes (overlay mounts end at 128 or 500). */
const MAX_LAYERS = 500;

const descriptor = z.object({
  mediaType: z.string().max(255).default(""),
  digest: z.string().regex(DIGEST),
  size: z.int().nonnegative(),
});
export type Descriptor = z.infer<typeof descriptor>;

const platform = z.object({
  os: z.string().max(64).default(""),
  architecture: z.string().max(64).default(""),
  variant: z.string().max(64).optional(),
});

const index = z.object({
  manifests: z.array(descriptor.extend({ platform: platform.optional() })).max(1000),
});
export type Index = z.infer<typeof index>;

const manifest = z.object({
  config: descriptor,
  layers: z.array(descriptor),
});
export type Manifest = z.infer<typeof manifest>;

const strings = z.array(z.string().max(65_536)).max(1000).nullish();
const config = z.object({
  os: z.string().max(64).default(""),
  architecture: z.string().max(64).default(""),
  config: z
    .object({
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      User: z.string().max(256).nullish(),
      WorkingDir: z.string().max(4096).nullish(),
      StopSignal: z.string().max(32).nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
      ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    })
    .nullish(),
  rootfs: z.object({ diff_ids: z.array(z.string().regex(DIGEST)) }),
});
export type Config = z.infer<typeof config>;

/** A document that is not accepted, with the reason for people. */
export class DocumentError extends Error {}

const OCI = "application/vnd.oci.image";
const DOCKER = "application/vnd.docker";
export const INDEX_TYPES = [`${OCI}.index.v1+json`, `${DOCKER}.distribution.manifest.list.v2+json`];
export const MANIFEST_TYPES = [`${OCI}.manifest.v1+json`, `${DOCKER}.distribution.manifest.v2+json`];
const CONFIG_TYPES = [`${OCI}.config.v1+json`, `${DOCKER}.container.image.v1+json`];
const LAYER_TYPES = [
  `${OCI}.layer.v1.tar`,
  `${OCI}.layer.v1.tar+gzip`,
  `${OCI}.layer.v1.tar+zstd`,
  `${DOCKER}.image.rootfs.diff.tar`,
  `${DOCKER}.image.rootfs.diff.tar.gzip`,
  `${DOCKER}.image.rootfs.diff.tar.zstd`,
];

/** An index or a manifest, told apart by the media type that it states or was sent with. @throws DocumentError */
export function parseTop(bytes: Buffer, sentType: string | null): { index: Index } | { manifest: Manifest } {
  const json = parseJson(bytes, "manifest");
  const stated = z.object({ mediaType: z.string().optional(), schemaVersion: z.unknown() }).safeParse(json);
  if (stated.data?.schemaVersion !== 2) {
    throw new DocumentError(
      "its manifest is of an old or unknown version (schema 2 is read; push it again with a current tool)",
    );
  }
  const type = stated.data.mediaType ?? sentType?.split(";")[0]?.trim() ?? "";
  if (stated.data.mediaType && sentType && !sameType(stated.data.mediaType, sentType)) {
    throw new DocumentError(
      `its manifest says it is ${stated.data.mediaType}, the registry says ${sentType}`,
    );
  }
  if (INDEX_TYPES.includes(type)) return { index: parse(index, json, "index") };
  if (MANIFEST_TYPES.includes(type)) return { manifest: checkManifest(parse(manifest, json, "manifest")) };
  throw new DocumentError(`its manifest has the media type '${type}', which is no image's`);
}

const GENERIC = ["application/json", "application/octet-stream", "text/plain"];
const sameType = (stated: string, sent: string) => {
  const type = sent.split(";")[0]?.trim() ?? "";
  return stated === type || GENERIC.includes(type);
};

function checkManifest(found: Manifest): Manifest {
  if (!CONFIG_TYPES.includes(found.config.mediaType)) {
    throw new DocumentError(`it is no machine image: its configuration is '${found.config.mediaType}'`);
  }
  if (found.layers.length > MAX_LAYERS) {
    throw new DocumentError(`it has ${found.layers.length} layers (at most ${MAX_LAYERS} are read)`);
  }
  for (const [at, { mediaType }] of found.layers.entries()) {
    if (LAYER_TYPES.includes(mediaType)) continue;
    const foreign = /nondistributable|foreign/.test(mediaType);
    throw new DocumentError(
      `layer ${at + 1} has the media type '${mediaType}'${foreign ? ", which its registry does not hand out" : ""}`,
    );
  }
  return found;
}

/** @throws DocumentError */
export function parseImageConfig(bytes: Buffer): Config {
  return parse(config, parseJson(bytes, "configuration"), "configuration");
}

/** @throws DocumentError when it is made for another machine, or for other layers than its manifest names */
export function checkConfig({ os, architecture, rootfs }: Config, layers: number): void {
  if ((os || "linux") !== "linux" || (architecture || hostArchitecture()) !== hostArchitecture()) {
    throw new DocumentError(
      `it is made for ${os}/${architecture}, this machine is linux/${hostArchitecture()}`,
    );
  }
  if (rootfs.diff_ids.length !== layers) {
    throw new DocumentError(`its manifest has ${layers} layers, its configuration ${rootfs.diff_ids.length}`);
  }
}

/** The configuration says what the layers contain once they are unpacked. @throws DocumentError */
export function checkContents({ rootfs }: Config, layers: readonly { readonly diffId: string }[]): void {
  for (const [at, { diffId }] of layers.entries()) {
    if (`sha256:${diffId}` === rootfs.diff_ids[at]) continue;
    throw new DocumentError(
      `layer ${at + 1} contains sha256:${diffId}, its configuration promises ${rootfs.diff_ids[at]}`,
    );
  }
}

/**
 * The manifest of an index that this architecture runs. Attestations and other systems' are passed over.
 * @throws DocumentError naming what there is
 */
export function selectPlatform(found: Index, architecture: string): Descriptor {
  const linux = found.manifests.filter((entry) => (entry.platform?.os ?? "linux") === "linux");
  const fitting = linux.filter((entry) => (entry.platform?.architecture ?? architecture) === architecture);
  const best = fitting.find((entry) => ["", "v8"].includes(entry.platform?.variant ?? "")) ?? fitting[0];
  if (best) return best;
  const there = found.manifests
    .map(({ platform: p }) => `${p?.os}/${p?.architecture}`)
    .filter((p) => !/unknown/.test(p));
  throw new DocumentError(
    `it is not made for linux/${architecture}, only for ${[...new Set(there)].slice(0, 12).join(", ") || "nothing"}`,
  );
}

/** This machine's architecture in the words of OCI. */
export const hostArchitecture = (): string => (process.arch === "x64" ? "amd64" : process.arch);

function parseJson(bytes: Buffer, what: string): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    throw new DocumentError(`its ${what} is not JSON`);
  }
}

function parse<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new DocumentError(`its ${what} is malformed: ${issue?.path.join(".")}: ${issue?.message}`);
}
