/** Signals to this process. Whoever has something to clean up takes them over for a while; otherwise they end the process. */
import { signalCode } from "./exit.ts";

const CAUGHT = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

export type SignalHandler = (signal: NodeJS.Signals, count: number) => void;

/** A stack of signal handlers; the newest one decides. */
export class Interrupts {
  readonly #handlers: { handle: SignalHandler; count: number }[] = [];
  readonly #exit: (code: number) => void;
  readonly #listener = (signal: NodeJS.Signals) => {
    const top = this.#handlers.at(-1);
    if (!top) this.#exit(signalCode(signal));
    else top.handle(signal, ++top.count);
  };

  constructor(exit: (code: number) => void = (code) => process.exit(code)) {
    this.#exit = exit;
  }

  /** Runs `work` with these signals given to `handle`; `count` is 1 for the first. */
  async during<T>(handle: SignalHandler, work: () => Promise<T>): Promise<T> {
    if (this.#handlers.length === 0) for (const name of CAUGHT) process.on(name, this.#listener);
    const entry = { handle, count: 0 };
    this.#handlers.push(entry);
    try {
      return await work();
    } finally {
      this.#handlers.splice(this.#handlers.indexOf(entry), 1);
      if (this.#handlers.length === 0) for (const name of CAUGHT) process.off(name, this.#listener);
    }
  }

  /** Ends the process as the signal would have. */
  exit(signal: NodeJS.Signals): void {
    this.#exit(signalCode(signal));
  }
}
