/** The same work asked for twice at once is done once: everybody watches and gets the one result. */
import type { Progress, Reporter, Work } from "../core/stage.ts";

interface Flight<T> {
  readonly result: Promise<T>;
  readonly watchers: Set<Reporter>;
  readonly abort: AbortController;
  /** What a late watcher is told first. */
  stage: readonly [string, string | undefined] | null;
}

export class SharedWork<T> {
  readonly #flights = new Map<string, Flight<T>>();

  /**
   * Runs `start` unless work under `key` is under way already, in which case that one is joined. A caller whose signal
   * aborts leaves; the work itself is aborted when the last one has left.
   */
  async run(key: string, work: Work, start: (work: Work) => Promise<T>): Promise<T> {
    work.signal.throwIfAborted();
    let flight = this.#flights.get(key);
    if (!flight || flight.abort.signal.aborted) {
      flight = this.#begin(key, start);
    } else if (flight.stage) {
      work.report.stage(...flight.stage);
    }
    return this.#watch(flight, work);
  }

  #begin(key: string, start: (work: Work) => Promise<T>): Flight<T> {
    const watchers = new Set<Reporter>();
    const abort = new AbortController();
    const report: Reporter = {
      stage: (name, detail) => {
        flight.stage = [name, detail];
        for (const watcher of watchers) watcher.stage(name, detail);
      },
      progress: (progress: Progress) => {
        for (const watcher of watchers) watcher.progress(progress);
      },
      notice: (text) => {
        for (const watcher of watchers) watcher.notice(text);
      },
    };
    const result = Promise.resolve()
      .then(() => start({ report, signal: abort.signal }))
      .finally(() => {
        if (this.#flights.get(key) === flight) this.#flights.delete(key);
      });
    result.catch(() => {}); // the watchers tell; when all have left nobody does
    const flight: Flight<T> = { result, watchers, abort, stage: null };
    this.#flights.set(key, flight);
    return flight;
  }

  async #watch(flight: Flight<T>, work: Work): Promise<T> {
    flight.watchers.add(work.report);
    let leave: () => void = () => {};
    const left = new Promise<never>((_, reject) => {
      leave = () => reject(work.signal.reason);
      work.signal.addEventListener("abort", leave, { once: true });
    });
    try {
      return await Promise.race([flight.result, left]);
    } finally {
      work.signal.removeEventListener("abort", leave);
      flight.watchers.delete(work.report);
      if (flight.watchers.size === 0) flight.abort.abort(work.signal.reason);
    }
  }
}
