/** An undo stack: each step of a pipeline says how to take it back; a failure takes everything back, newest first. */
export class UndoStack {
  readonly #steps: (() => Promise<void> | void)[] = [];

  push(step: () => Promise<void> | void): void {
    this.#steps.push(step);
  }

  /** Past this point nothing is taken back any more. */
  forget(): void {
    this.#steps.length = 0;
  }

  /** Runs all steps, newest first. A step that fails does not stop the others. @returns the failures */
  async unwind(): Promise<unknown[]> {
    const failures: unknown[] = [];
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    return failures;
  }
}
