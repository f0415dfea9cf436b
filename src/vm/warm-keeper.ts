/**
 * Keeps templates ready in the background: one is made after the first VM of its kind has come up cold, when that VM's own first
 * work is over, one at a time and at idle priority; and after VMs of the kind were started machines stand by for the next ones, brought
 * up one after the other while nobody uses a VM. Nothing is done while nothing is wanted.
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
  /** Has one machine more of a template stand by, if one is wanted. Never fails. @returns whether it did */
  standby(request: WarmRequest, template: WarmTemplate, signal: AbortSignal): Promise<boolean>;
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
  /** When a VM was last started, or ceased to be used. */
  #used = 0;
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

  /** To be told of each VM that was started: has a template of its kind made, some time, and then machines of it stand by. */
  want(request: WarmRequest): void {
    this.calmed(); // the start is over
    if (this.#surroundings.limit() === 0 || this.#wanted.size >= MOST_WANTED) return;
    if ((this.#failures.get(request.key) ?? 0) >= TRIES) return;
    this.#wanted.delete(request.key); // the one wanted last is the last
    this.#wanted.set(request.key, request);
    this.#begin();
  }

  /** To be told whenever a VM is no longer used. */
  calmed(): void {
    this.#used = Date.now();
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
    while (this.#wanted.size > 0) {
      await this.#untilQuiet(signal).catch(() => {});
      const [request] = this.#wanted.values();
      if (!request || signal.aborted) return;
      this.#wanted.delete(request.key);
      await this.#make(request, signal);
      const goOn = await this.#fill(request, signal);
      if (goOn && this.#wanted.size === 0 && !signal.aborted) this.#wanted.set(request.key, request);
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

  /** Machines of the kind that was wanted last, until there are enough. @returns true: somebody came, it is to go on later */
  async #fill(request: WarmRequest, signal: AbortSignal): Promise<boolean> {
    const { standby, busy } = this.#surroundings;
    const used = this.#used;
    const inUse = busy(); // by somebody who is there all the time: patience is over
    while (this.#wanted.size === 0 && !signal.aborted) {
      const template = await this.take(request.key);
      if (!template || !(await standby(request, template, signal))) return false;
      if (this.#used !== used || (busy() && !inUse)) return true;
    }
    return false;
  }

  #failed(key: string): void {
    this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1);
  }

  async #untilQuiet(signal: AbortSignal): Promise<void> {
    const { quietMs, patienceMs, busy } = this.#surroundings;
    const late = Date.now() + patienceMs;
    let quiet = quietMs;
    do {
      await delay(quiet, undefined, { signal, ref: false });
      const left = late - Date.now();
      if (left <= 0) return;
      if (busy()) await Promise.race([this.#calm.promise, delay(left, undefined, { signal, ref: false })]);
      quiet = quietMs - (Date.now() - this.#used);
      if (quiet <= 0) return;
    } while (Date.now() < late);
  }
}
