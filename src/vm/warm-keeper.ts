/**
 * Keeps templates ready in the background: one is made after the first VM of its kind has come up cold, when that VM's own first
 * work is over, one at a time and at idle priority; and after each VM of the kind a machine stands by for the next one. Nothing is
 * done while nothing is wanted.
 */
import { setTimeout as delay } from "node:timers/promises";
import { silent, type Work } from "../core/stage.ts";
import type { Log } from "./context.ts";
import type { WarmRequest } from "./warm-build.ts";
import type { WarmTemplate, WarmTemplates } from "./warm-templates.ts";

/** More kinds than that at once are a test of sizes, not a habit. */
const MOST_WANTED = 8;
/** A kind whose template could not be made so often is left alone until the daemon starts anew. */
const TRIES = 2;

export interface WarmSurroundings {
  /** Fills a folder with a template. */
  build(request: WarmRequest, folder: string, work: Work): Promise<void>;
  /** Has a machine of a template stand by for the next VM. Never fails. */
  standby(request: WarmRequest, template: WarmTemplate, signal: AbortSignal): Promise<void>;
  /** Ends what stands by. */
  standDown(): Promise<void>;
  /** `warm_cache`: bytes that all may take; 0 = none are made or used. */
  limit(): number;
  /** Whether some VM is being started or used now. */
  busy(): boolean;
  /** How long nobody must have used a VM before one is made, and how long it waits for such a moment at most. */
  readonly quietMs: number;
  readonly patienceMs: number;
  readonly log: Log;
}

export class WarmKeeper {
  readonly #templates: WarmTemplates;
  readonly #surroundings: WarmSurroundings;
  readonly #wanted = new Map<string, WarmRequest>();
  readonly #failures = new Map<string, number>();
  #calm = Promise.withResolvers<void>();
  #stop = new AbortController();
  #working: Promise<void> | null = null;

  constructor(templates: WarmTemplates, surroundings: WarmSurroundings) {
    this.#templates = templates;
    this.#surroundings = surroundings;
  }

  /** Whether a VM could start from a key's template now. */
  async has(key: string): Promise<boolean> {
    return this.#surroundings.limit() > 0 && (await this.#templates.has(key));
  }

  /** The template of a key, or null. */
  async take(key: string): Promise<WarmTemplate | null> {
    return this.#surroundings.limit() > 0 ? this.#templates.take(key) : null;
  }

  /** One that did not come up: it is made anew when it is next wanted. */
  async spoiled(key: string): Promise<void> {
    this.#failed(key);
    await this.#templates.remove(key);
  }

  /** An image or kernel is gone: so is what is made of it, and what is being made. */
  async forget(digest: string): Promise<void> {
    await this.stop();
    await this.#templates.removeOf(digest);
  }

  /** Has a template made, some time, and then a machine of it stand by. */
  want(request: WarmRequest): void {
    if (this.#surroundings.limit() === 0 || this.#wanted.size >= MOST_WANTED) return;
    if ((this.#failures.get(request.key) ?? 0) >= TRIES) return;
    this.#wanted.set(request.key, request);
    this.#begin();
  }

  /** To be told whenever a VM is no longer used. */
  calmed(): void {
    this.#calm.resolve();
    this.#calm = Promise.withResolvers();
  }

  /** Resolves when nothing is wanted that could be made now. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** Ends what is being made or stands by, and forgets what is wanted; resolves when nothing of it is left. */
  async stop(): Promise<void> {
    this.#wanted.clear();
    this.#stop.abort();
    this.#stop = new AbortController();
    await this.#working;
    await this.#surroundings.standDown();
  }

  #begin(): void {
    this.#working ??= this.#work(this.#stop.signal).finally(() => {
      this.#working = null;
      if (this.#wanted.size > 0) this.#begin(); // wanted in the last moment
    });
  }

  async #work(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#untilQuiet(signal).catch(() => {});
      const [request] = this.#wanted.values();
      if (!request || signal.aborted) return;
      this.#wanted.delete(request.key);
      await this.#make(request, signal);
      if (this.#wanted.size === 0 && !signal.aborted) await this.#standBy(request, signal);
    }
  }

  async #make(request: WarmRequest, signal: AbortSignal): Promise<void> {
    const { key, name } = request;
    const { log, build, limit } = this.#surroundings;
    if (await this.#templates.has(key)) return;
    const begun = Date.now();
    log.info({ key, template: name }, "making a warm template");
    try {
      const work = { report: silent, signal };
      await this.#templates.add(key, request, (folder) => build(request, folder, work));
      const kept = await this.#templates.trim(limit());
      if (!kept.has(key)) throw new Error("it alone takes more than warm_cache allows");
      log.info({ key, template: name, ms: Date.now() - begun }, "a warm template is ready");
    } catch (error) {
      if (signal.aborted) return;
      this.#failed(key);
      log.warn({ key, template: name, err: error }, "a warm template could not be made");
    }
  }

  /** Of the kind that was wanted last. */
  async #standBy(request: WarmRequest, signal: AbortSignal): Promise<void> {
    const template = await this.take(request.key);
    if (template) await this.#surroundings.standby(request, template, signal);
  }

  #failed(key: string): void {
    this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
  }

  async #untilQuiet(signal: AbortSignal): Promise<void> {
    const { quietMs, patienceMs, busy } = this.#surroundings;
    const late = Date.now() + patienceMs;
    do {
      await delay(quietMs, undefined, { signal, ref: false });
      const left = late - Date.now();
      if (!busy() || left <= 0) return;
      await Promise.race([this.#calm.promise, delay(left, undefined, { signal, ref: false })]);
    } while (Date.now() < late);
  }
}
