/** Lines that are shown again in the same place; where there is no terminal, one after the other. */
import type { Output } from "./progress.ts";

export class RedrawnBlock {
  readonly #output: Output;
  #height = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** Shows `text`, whole lines, in the place of what was shown before. Lines are cut at the terminal's width: a wrapped one could not be found again. */
  draw(text: string): void {
    if (!this.#output.isTTY) {
      this.#output.write(this.#height > 0 ? `\n${text}` : text);
      this.#height = 1;
      return;
    }
    const width = (this.#output.columns ?? 80) - 1;
    const lines = text
      .trimEnd()
      .split("\n")
      .map((line) => line.slice(0, width));
    const back = this.#height > 0 ? `\x1b[${this.#height}A` : "";
    this.#output.write(`${back}\r\x1b[J${lines.join("\n")}\n`);
    this.#height = lines.length;
  }
}
