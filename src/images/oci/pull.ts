/** Gets an image from its registry: manifest for this machine, configuration, and its layers, several at once. */

import { asBangerError, BangerError } from "../../core/errors.ts";
import type { Work } from "../../core/stage.ts";
import { displayName, LayerError } from "./layer-entry.ts";
import { DigestError, type Layer, type LayerStore } from "./layer-store.ts";
import {
  type Config,
  checkConfig,
  checkContents,
  type Descriptor,
  DocumentError,
  hostArchitecture,
  type Manifest,
  parseImageConfig,
  parseTop,
  selectPlatform,
} from "./manifest.ts";
import { familiarName, type Reference } from "./reference.ts";
import { Registry, type RegistryOptions } from "./registry.ts";

/** As many as Docker fetches; more do not make a connection faster. */
const PARALLEL = 3;
/** An index may name another one; more than that is nobody's intention. */
const MAX_NESTING = 3;

/** An image whose layers are here. */
export interface FetchedImage {
  /** Digest of what the reference names: the index when there is one. */
  readonly digest: string;
  readonly config: Config;
  readonly layers: readonly Layer[];
}

/**
 * @param known gives what is already here under a digest; then nothing is fetched
 * @throws image_refused | image_not_in_registry | registry_denied | registry_failed | registry_unreachable | no_space
 */
export async function fetchImage<T>(
  reference: Reference,
  layers: LayerStore,
  work: Work,
  known: (digest: string) => Promise<T | null>,
  options: RegistryOptions = {},
): Promise<T | FetchedImage> {
  const ref = familiarName(reference);
  work.report.stage("asking the registry", ref);
  using registry = new Registry(reference, work.signal, options);
  try {
    const { digest, manifest } = await resolve(registry);
    const here = await known(digest);
    if (here) return here;
    const config = parseImageConfig(await registry.document(manifest.config.digest, manifest.config.size));
    checkConfig(config, manifest.layers.length);
    const fetched = await fetchLayers(registry, ref, manifest.layers, layers, work);
    checkContents(config, fetched);
    return { digest, config, layers: fetched };
  } catch (error) {
    work.signal.throwIfAborted();
    throw refusal(ref, error);
  }
}

/** What is wrong with an image, as an error for people; other errors stay what they are. */
export function refusal(ref: string, error: unknown, where = ""): unknown {
  if (error instanceof LayerError) {
    const name = error.entry === null ? "" : `'${displayName(error.entry)}': `;
    return BangerError.of(
      "image_refused",
      { ref, problem: `${where}${name}${error.message}` },
      { cause: error },
    );
  }
  if (error instanceof DigestError || error instanceof DocumentError) {
    return BangerError.of("image_refused", { ref, problem: where + error.message }, { cause: error });
  }
  return error;
}

async function resolve(registry: Registry): Promise<{ digest: string; manifest: Manifest }> {
  let sent = await registry.manifest();
  const { digest } = sent;
  for (let depth = 0; depth <= MAX_NESTING; depth++) {
    const top = parseTop(sent.bytes, sent.mediaType);
    if ("manifest" in top) return { digest, manifest: top.manifest };
    sent = await registry.manifest(selectPlatform(top.index, hostArchitecture()).digest);
  }
  throw new DocumentError(`its index names indexes more than ${MAX_NESTING} deep`);
}

async function fetchLayers(
  registry: Registry,
  ref: string,
  wanted: readonly Descriptor[],
  store: LayerStore,
  work: Work,
): Promise<Layer[]> {
  const progress = new LayerProgress(wanted, work);
  const abort = new AbortController();
  const signal = AbortSignal.any([work.signal, abort.signal]);
  const layers: Layer[] = [];
  const queue = [...wanted.entries()];
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [at, { digest, size }] = next;
      const open = (offset: number, own: AbortSignal) => registry.blob(digest, offset, size, own);
      try {
        layers[at] = await store.ensure(
          { digest: digest.slice("sha256:".length), size, open },
          { ...work, signal },
          (done) => progress.set(at, done),
        );
      } catch (error) {
        throw refusal(ref, error, `layer ${at + 1} (${digest}): `);
      }
    }
  };
  const workers = Array.from({ length: PARALLEL }, () =>
    worker().catch((error: unknown) => {
      abort.abort(error);
      throw error;
    }),
  );
  const results = await Promise.allSettled(workers);
  // The others fail only because the first one did.
  if (abort.signal.aborted) throw asBangerError(abort.signal.reason);
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return layers;
}

/** What has come of each layer, and of all together. */
class LayerProgress {
  readonly #parts: { readonly name: string; done: number; readonly total: number }[];
  readonly #total: number;
  readonly #work: Work;

  constructor(wanted: readonly Descriptor[], work: Work) {
    this.#parts = wanted.map(({ digest, size }) => ({ name: digest.slice(7, 19), done: 0, total: size }));
    this.#total = wanted.reduce((sum, { size }) => sum + size, 0);
    this.#work = work;
    work.report.stage("fetching layers", `${wanted.length}`);
  }

  set(at: number, done: number): void {
    const part = this.#parts[at];
    if (!part) return;
    part.done = done;
    const sum = this.#parts.reduce((all, each) => all + each.done, 0);
    const parts = this.#parts.filter((each) => each.done > 0 && each.done < each.total);
    this.#work.report.progress({
      done: sum,
      total: this.#total,
      unit: "bytes",
      parts: parts.map((p) => ({ ...p })),
    });
  }
}

/** Whether a tag still stands for `digest`; unknown when the registry does not tell. @throws as `fetchImage` */
export async function isCurrent(
  reference: Reference,
  digest: string,
  work: Work,
  options: RegistryOptions = {},
): Promise<boolean> {
  work.report.stage("asking the registry", familiarName(reference));
  using registry = new Registry(reference, work.signal, options);
  return (await registry.digestOfTag()) === digest;
}
