/**
 * The layers on this host, shared by all images: `<cache>/layers/<digest>/{blob,index,manifest.json}`. A layer is read once
 * while it arrives (its digest, the digest of its content, its entries) and is only here when all of that is right. What a
 * broken connection left is in `partial-<digest>` and is gone on from.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { checkpoint } from "../../core/checkpoints.ts";
import type { Work } from "../../core/stage.ts";
import { namedIfFull } from "../../disk/free-space.ts";
import { ContentStore } from "../../host/content-store.ts";
import { SharedWork } from "../../host/shared-work.ts";
import { decompressed, drain, unclosed } from "./decompress.ts";
import { TREE_LIMITS, type TreeLimits } from "./image-tree.ts";
import { type LayerEntry, LayerError, type LayerEvent, layerEvents } from "./layer-entry.ts";
import { LayerIndexWriter, readLayerIndex } from "./layer-index.ts";

const hex = z.string().regex(/^[0-9a-f]{64}$/);
const Layer = z.object({
  layout: z.literal(1),
  /** sha256 of the blob as the registry has it. */
  digest: hex,
  /** sha256 of the tar in it. */
  diffId: hex,
  sizeBytes: z.int().nonnegative(),
  unpackedBytes: z.int().nonnegative(),
});
export type Layer = Readonly<z.infer<typeof Layer>>;

/** A layer that is wanted: sha256 in hex and size of its blob. */
export interface WantedLayer {
  readonly digest: string;
  readonly size: number;
  /** The blob's bytes from an offset on. */
  readonly open: (offset: number, signal: AbortSignal) => AsyncIterable<Buffer>;
}

/** A blob whose bytes are not those that its digest promises. */
export class DigestError extends Error {}

const READ = { highWaterMark: 256 * 1024 };
/** Slack over the files' own bytes for headers and padding. */
const HEADERS_PER_ENTRY = 4096;

export class LayerStore {
  readonly #store: ContentStore<Layer>;
  readonly #limits: TreeLimits;
  readonly #arrivals = new SharedWork<Layer>();

  constructor(folder: string, limits: TreeLimits = TREE_LIMITS) {
    this.#store = new ContentStore(folder, (json) => Layer.safeParse(json).data ?? null);
    this.#limits = limits;
  }

  /** A layer that is here, or null. */
  get(digest: string): Promise<Layer | null> {
    return this.#store.get(digest);
  }

  /**
   * The layer, fetched when it is not here. Asked for twice at once it is fetched once.
   * @param onBytes hears how many bytes of the blob are there
   * @throws DigestError | LayerError | no_space, and what `open` throws: then it can be gone on from
   */
  async ensure(wanted: WantedLayer, work: Work, onBytes: (done: number) => void): Promise<Layer> {
    const known = await this.get(wanted.digest);
    if (known && known.sizeBytes !== wanted.size) {
      throw new DigestError(`it has ${known.sizeBytes} bytes where ${wanted.size} were promised`);
    }
    if (known) onBytes(known.sizeBytes);
    return (
      known ??
      this.#arrivals.run(wanted.digest, work, (shared) =>
        this.#store
          .add(async (folder) => {
            const manifest = await this.#receive(wanted, folder, shared.signal, onBytes);
            return { digest: manifest.digest, manifest };
          })
          .catch(async (error: unknown) => {
            throw await namedIfFull(error, this.#store.folder, `layer sha256:${wanted.digest}`);
          }),
      )
    );
  }

  /** The entries of a layer that is here, in order, many at once, without their content. */
  entries(layer: Layer): AsyncGenerator<readonly LayerEntry[]> {
    return readLayerIndex(join(this.#store.path(layer.digest), "index"));
  }

  /**
   * Entries and content, many events at once, whose bytes are there until the next ones are asked for; the blob's digest is checked again on the way.
   * @throws DigestError at the end | LayerError
   */
  async *content(layer: Layer, signal: AbortSignal): AsyncGenerator<readonly LayerEvent[]> {
    const hash = createHash("sha256");
    const blob = hashed(
      createReadStream(join(this.#store.path(layer.digest), "blob"), { ...READ, signal }),
      hash,
    );
    try {
      yield* layerEvents(decompressed(unclosed(blob), "passing"));
      await drain(blob);
    } finally {
      await blob.return(undefined);
    }
    if (hash.digest("hex") !== layer.digest) throw new DigestError("it was changed on the disk");
  }

  /** Forgets a layer that turned out to be damaged. */
  async discard(layer: Layer): Promise<void> {
    await this.#store.remove(layer.digest);
  }

  async #receive(
    wanted: WantedLayer,
    folder: string,
    signal: AbortSignal,
    onBytes: (done: number) => void,
  ): Promise<Layer> {
    const partial = join(this.#store.folder, `partial-${wanted.digest}`);
    const blob = new Arrival(partial, wanted, signal, onBytes);
    const chunks = blob.chunks();
    try {
      const { tar, bytes } = await this.#index(unclosed(chunks), join(folder, "index"));
      await drain(chunks);
      blob.check();
      checkpoint("layer.arrived");
      await rename(partial, join(folder, "blob"));
      return { layout: 1, digest: wanted.digest, diffId: tar, sizeBytes: wanted.size, unpackedBytes: bytes };
    } catch (error) {
      await chunks.return(undefined);
      await rm(join(folder, "index"), { force: true });
      // What is wrong in itself, or has no room, is no start for another try; what was cut off is.
      const wrong = error instanceof LayerError || error instanceof DigestError;
      if (wrong || (error as NodeJS.ErrnoException).code === "ENOSPC") await rm(partial, { force: true });
      if (wrong && blob.resumed) return this.#receive(wanted, folder, signal, onBytes);
      throw error;
    }
  }

  /** Reads the tar in a blob to its end. */
  async #index(blob: AsyncIterable<Buffer>, file: string): Promise<{ tar: string; bytes: number }> {
    const limit = this.#limits.bytes + this.#limits.entries * HEADERS_PER_ENTRY;
    const hash = createHash("sha256");
    let bytes = 0;
    const tar = decompressed(blob, "passing");
    const counted = (async function* () {
      for await (const chunk of tar) {
        hash.update(chunk);
        bytes += chunk.length;
        if (bytes > limit) throw new LayerError(`the layer has more than ${limit} bytes`);
        yield chunk;
      }
    })();
    const index = new LayerIndexWriter(file);
    let entries = 0;
    try {
      for await (const events of layerEvents(counted)) {
        for (const event of events) {
          if (event.kind !== "entry") continue;
          if (++entries > this.#limits.entries) {
            throw new LayerError(`the layer has more than ${this.#limits.entries} entries`);
          }
          index.add(event.entry);
        }
        await index.write();
      }
      await index.end();
    } finally {
      index.destroy();
    }
    return { tar: hash.digest("hex"), bytes };
  }
}

/** The bytes of a blob: first those that are here from an earlier try, then those that come, which are written down. */
class Arrival {
  readonly #partial: string;
  readonly #wanted: WantedLayer;
  readonly #signal: AbortSignal;
  readonly #onBytes: (done: number) => void;
  readonly #hash = createHash("sha256");
  #done = 0;
  /** Whether an earlier try's bytes were used. */
  resumed = false;

  constructor(partial: string, wanted: WantedLayer, signal: AbortSignal, onBytes: (done: number) => void) {
    this.#partial = partial;
    this.#wanted = wanted;
    this.#signal = signal;
    this.#onBytes = onBytes;
  }

  async *chunks(): AsyncGenerator<Buffer> {
    const here = (await stat(this.#partial).catch(() => null))?.size ?? 0;
    if (here > this.#wanted.size) await rm(this.#partial);
    else if (here > 0) {
      this.resumed = true;
      for await (const chunk of createReadStream(this.#partial, { ...READ, signal: this.#signal })) {
        yield this.#note(chunk as Buffer);
      }
    }
    if (this.resumed && this.#done === this.#wanted.size) return;
    const file = await open(this.#partial, "a", 0o600);
    try {
      for await (const chunk of this.#wanted.open(this.#done, this.#signal)) {
        await file.appendFile(chunk);
        yield this.#note(chunk);
      }
    } finally {
      await file.close();
    }
  }

  #note(chunk: Buffer): Buffer {
    this.#hash.update(chunk);
    this.#done += chunk.length;
    this.#onBytes(this.#done);
    if (this.#done > this.#wanted.size) {
      throw new DigestError(`more than the ${this.#wanted.size} bytes that were promised came`);
    }
    return chunk;
  }

  /** @throws DigestError */
  check(): void {
    const { size, digest } = this.#wanted;
    const came = this.#hash.digest("hex");
    if (came === digest && this.#done === size) return;
    throw new DigestError(
      `sha256:${came} came (${this.#done} bytes) where sha256:${digest} was promised (${size} bytes)`,
    );
  }
}

async function* hashed(
  source: AsyncIterable<unknown>,
  hash: ReturnType<typeof createHash>,
): AsyncGenerator<Buffer> {
  for await (const chunk of source) {
    hash.update(chunk as Buffer);
    yield chunk as Buffer;
  }
}
