/** One after the other, in the order asked for: work of the same key never overlaps, and a failure holds up nobody behind it. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @returns what `work` gives, once its turn has come and it is done */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(work);
    const over = turn
      .catch(() => {}) // told to whoever asked
      .then(() => {
        if (this.#last.get(key) === over) this.#last.delete(key);
      });
    this.#last.set(key, over);
    return turn;
  }
}
