/** How many VMs of a kind are started together: in the busiest ten seconds of the last ten minutes. What it keeps is bounded. */
import { MAX_STANDBY } from "../core/config.ts";

const TOGETHER_MS = 10_000;
const REMEMBERED_MS = 10 * 60_000;
/** Kinds that are kept; of more at once the one that was started longest ago is forgotten. */
const MAX_KINDS = 8;

export class Demand {
  /** By key; the one that was started last is at the end. */
  readonly #kinds = new Map<string, Starts>();

  /** A VM of a kind is started. @param now milliseconds of a clock that only goes forward */
  started(key: string, now: number): void {
    const starts = this.#kinds.get(key) ?? new Starts();
    starts.add(now);
    this.#kinds.delete(key);
    this.#kinds.set(key, starts);
    const [longestAgo] = this.#kinds.keys();
    if (this.#kinds.size > MAX_KINDS && longestAgo !== undefined) this.#kinds.delete(longestAgo);
  }

  /** How many of a kind were started together, `MAX_STANDBY` at most; 0 when none was. */
  of(key: string, now: number): number {
    return this.#kinds.get(key)?.most(now) ?? 0;
  }
}

/** Those of one kind. */
class Starts {
  /** The moments of the last ten seconds; further ones than can stand by make no difference. */
  readonly #recent: number[] = [];
  /** How many there were together, and when. Each is fewer than the one before it: one that is followed by as many is not needed. */
  readonly #peaks: { readonly count: number; readonly at: number }[] = [];

  add(now: number): void {
    this.#recent.push(now);
    while (this.#recent.length > MAX_STANDBY || (this.#recent[0] ?? now) <= now - TOGETHER_MS)
      this.#recent.shift();
    const count = this.#recent.length;
    while ((this.#peaks.at(-1)?.count ?? Number.POSITIVE_INFINITY) <= count) this.#peaks.pop();
    this.#peaks.push({ count, at: now });
  }

  most(now: number): number {
    while ((this.#peaks[0]?.at ?? now) <= now - REMEMBERED_MS) this.#peaks.shift();
    return this.#peaks[0]?.count ?? 0;
  }
}
