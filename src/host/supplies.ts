/**
 * What VMs are made from (images, kernels, cached files) is used by many at once and cleaned by one alone: cleaning waits
 * until nobody uses anything, and who comes while it cleans waits for it, which takes moments. Whoever only waits to clean
 * holds nobody up.
 */
export class Supplies {
  #users = 0;
  #idle = Promise.withResolvers<void>();
  #cleaning: Promise<unknown> | null = null;

  /** Whether something is being made or started now. */
  get inUse(): boolean {
    return this.#users > 0;
  }

  /** Runs work that takes supplies, from asking for them to where a record or a process holds them. */
  async use<T>(work: () => Promise<T>): Promise<T> {
    while (this.#cleaning) await this.#cleaning;
    this.#users++;
    try {
      return await work();
    } finally {
      this.#users--;
      if (this.#users === 0) {
        this.#idle.resolve();
        this.#idle = Promise.withResolvers();
      }
    }
  }

  /** Runs `work` while nobody uses anything. @throws the signal's reason when it aborts before that moment */
  async clean<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const given = new Promise<never>((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    given.catch(() => {});
    for (;;) {
      signal.throwIfAborted();
      if (this.#cleaning) await this.#cleaning;
      else if (this.#users > 0) await Promise.race([this.#idle.promise, given]);
      else break;
    }
    const result = work();
    this.#cleaning = result.catch(() => {});
    try {
      return await result;
    } finally {
      this.#cleaning = null;
    }
  }
}
