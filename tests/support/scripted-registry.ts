/** A registry that answers as a test tells it: one image, and a say over each answer before it is sent. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { type Entry, tarOf } from "./oci-layout.ts";

/** Returns true when it has answered itself. */
export type Interception = (request: IncomingMessage, reply: ServerResponse, url: URL) => boolean;

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";

const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export class ScriptedRegistry implements AsyncDisposable {
  readonly #server = createServer((request, reply) => this.#answer(request, reply));
  readonly #blobs = new Map<string, Buffer>();
  readonly #manifests = new Map<string, { bytes: Buffer; type: string }>();
  /** What was asked for: method and path. */
  readonly asked: string[] = [];
  intercept: Interception = () => false;

  static async start(): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry();
    registry.#server.listen(0, "127.0.0.1");
    await new Promise((resolve) => registry.#server.once("listening", resolve));
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Adds a blob. @returns its descriptor */
  blob(bytes: Buffer, mediaType: string) {
    const digest = digestOf(bytes);
    this.#blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  }

  /** Adds a layer of these bytes, gzipped unless told otherwise. */
  layer(tar: Buffer, packed: Buffer = gzipSync(tar)) {
    return {
      diffId: digestOf(tar),
      descriptor: this.blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip"),
    };
  }

  /** A layer of entries. */
  async layerOf(entries: readonly Entry[]) {
    return this.layer(Buffer.concat(await this.tar(entries)));
  }

  /** The tar of entries. */
  async tar(entries: readonly Entry[]): Promise<Buffer[]> {
    const chunks: Buffer[] = [];
    for await (const chunk of tarOf(entries)) chunks.push(chunk);
    return chunks;
  }

  /** Adds a document under a tag. @returns its descriptor */
  manifest(tag: string, content: unknown, type: string) {
    const bytes = Buffer.from(JSON.stringify(content));
    for (const name of [tag, digestOf(bytes)]) this.#manifests.set(name, { bytes, type });
    return this.descriptor(tag);
  }

  /** Tags an image of layers. @returns its reference */
  image(
    tag: string,
    layers: readonly ReturnType<ScriptedRegistry["layer"]>[],
    changes: { readonly config?: object; readonly manifest?: object } = {},
  ): string {
    const config = {
      os: "linux",
      architecture: process.arch === "x64" ? "amd64" : process.arch,
      rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
      ...changes.config,
    };
    const content = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: this.blob(Buffer.from(JSON.stringify(config)), "application/vnd.oci.image.config.v1+json"),
      layers: layers.map(({ descriptor }) => descriptor),
      ...changes.manifest,
    };
    this.manifest(tag, content, MANIFEST);
    return `${this.host}/test/image:${tag}`;
  }

  /** The descriptor of what a tag stands for. */
  descriptor(tag: string) {
    const { bytes = Buffer.alloc(0), type = "" } = this.#manifests.get(tag) ?? {};
    return { mediaType: type, digest: digestOf(bytes), size: bytes.length };
  }

  #answer(request: IncomingMessage, reply: ServerResponse): void {
    const url = new URL(request.url ?? "/", `http://${this.host}`);
    this.asked.push(`${request.method} ${url.pathname}`);
    if (this.intercept(request, reply, url)) return;
    const name = url.pathname.split("/").at(-1) ?? "";
    const manifest = url.pathname.includes("/manifests/") ? this.#manifests.get(name) : undefined;
    const blob = url.pathname.includes("/blobs/") ? this.#blobs.get(name) : undefined;
    if (manifest) {
      const digest = digestOf(manifest.bytes);
      reply.writeHead(200, { "content-type": manifest.type, "docker-content-digest": digest });
      reply.end(request.method === "HEAD" ? undefined : manifest.bytes);
    } else if (blob) {
      const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const range = `bytes ${start}-${blob.length - 1}/${blob.length}`;
      reply.writeHead(start > 0 ? 206 : 200, start > 0 ? { "content-range": range } : {});
      reply.end(blob.subarray(start));
    } else reply.writeHead(url.pathname === "/v2/" ? 200 : 404).end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
