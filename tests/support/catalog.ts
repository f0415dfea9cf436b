/** A publisher of images on this machine: keys, a folder with a catalog, and a static server of it that a test can trouble. */
import { randomBytes } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BundleContent, writeBundle } from "../../src/catalog/bundle.ts";
import { makeKeyFiles, readSigningKey } from "../../src/catalog/keys.ts";
import { CATALOG, type EntryFacts, publish } from "../../src/catalog/publish.ts";
import { signBytes } from "../../src/catalog/signature.ts";
import { silent, type Work } from "../../src/core/stage.ts";
import { hashFile } from "../../src/host/hash.ts";
import { imageBundle } from "../../src/images/bundle.ts";
import { type Image, NO_SETTINGS } from "../../src/images/manifest.ts";
import { StaticServer } from "./static-server.ts";

const work: Work = { report: silent, signal: new AbortController().signal };
const NO_FACTS: EntryFacts = { distro: "debian", kernel: "", description: "made by a test" };

export class Publisher implements AsyncDisposable {
  readonly folder: string;
  readonly publicKey: string;
  readonly keyFile: string;
  readonly server: StaticServer;

  private constructor(folder: string, keyFile: string, publicKey: string, server: StaticServer) {
    this.folder = folder;
    this.keyFile = keyFile;
    this.publicKey = publicKey;
    this.server = server;
  }

  /** @param folder an existing one; the key lies beside it */
  static async start(folder: string): Promise<Publisher> {
    const keyFile = `${folder}.key`;
    return new Publisher(folder, keyFile, await makeKeyFiles(keyFile), await StaticServer.start(folder));
  }

  /** Its entry in config.toml. */
  get source() {
    return { url: `${this.server.origin}/${CATALOG}`, public_key: this.publicKey };
  }

  /** Publishes what stands for an image: a root filesystem of random bytes. @returns the image */
  async image(name: string, changes: { facts?: Partial<EntryFacts>; bytes?: Buffer } = {}): Promise<Image> {
    const image = await fakeImage(this.folder, name, changes.bytes);
    const key = await readSigningKey(this.keyFile);
    const facts = { ...NO_FACTS, ...changes.facts };
    await publish(this.folder, imageBundle(image, name, facts.kernel || null), facts, key, () => {}, work);
    return image;
  }

  /** The catalog as it is published. */
  async catalog(): Promise<{ serial: number; entries: Record<string, unknown>[] } & Record<string, unknown>> {
    return JSON.parse(await readFile(join(this.folder, CATALOG), "utf8"));
  }

  /** Publishes whatever as the catalog, well signed. */
  async sign(content: unknown): Promise<void> {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    await writeFile(join(this.folder, CATALOG), bytes);
    const { private: key } = await readSigningKey(this.keyFile);
    await writeFile(join(this.folder, `${CATALOG}.sig`), signBytes(bytes, key));
  }

  /** Publishes a bundle file of whatever content under a name. */
  async bundle(name: string, file: string): Promise<void> {
    const catalog = await this.catalog().catch(() => ({
      version: 1,
      serial: 1,
      updated: "2026-01-01T00:00:00Z",
      entries: [],
    }));
    const entry = {
      kind: "image",
      name,
      arch: process.arch === "x64" ? "amd64" : process.arch,
      url: file,
      sha256: await hashFile(join(this.folder, file)),
      size: (await stat(join(this.folder, file))).size,
    };
    const others = catalog.entries.filter((one) => (one as { name?: string }).name !== name);
    await this.sign({ ...catalog, entries: [...others, entry] });
  }

  /** Writes a bundle of content that no store would make. @returns its file's name */
  async written(content: BundleContent): Promise<string> {
    const file = `${randomBytes(6).toString("hex")}.tar.zst`;
    await writeBundle(content, join(this.folder, file), work.signal, () => {});
    return file;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.server[Symbol.asyncDispose]();
  }
}

/** An image as a store has it, whose root filesystem no kernel would mount. */
export async function fakeImage(
  folder: string,
  name: string,
  bytes: Buffer = randomBytes(300_000),
): Promise<Image> {
  const rootfs = join(folder, `${name}.rootfs`);
  await writeFile(rootfs, bytes);
  return {
    name,
    digest: await hashFile(rootfs),
    description: "made by a test",
    source: "recipe",
    origin: "",
    init: "/sbin/init",
    env: { GREETING: "hi" },
    run: { ...NO_SETTINGS, user: "app" },
    kernel: null,
    file: null,
    sizeBytes: bytes.length,
    createdAt: new Date().toISOString(),
    rootfs,
  };
}
