/** Shows an operation while it goes on: on a terminal one line that changes, elsewhere one line per finished stage. */
import { formatDuration, formatSize } from "../../core/units.ts";
import type { FollowOptions, OperationEvent } from "../../sdk/index.ts";
import type { Context } from "../context.ts";
import { Interrupted } from "../exit.ts";
import type { Style } from "./view.ts";

const TICK_MS = 100;
const NAME_WIDTH = 28;
/** Before, a rate says nothing. */
const RATE_AFTER_MS = 500;

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

interface Stage {
  readonly name: string;
  readonly detail: string | null;
  readonly since: number;
  amount: string;
}

/** Takes operation events and shows them; `finish` leaves the terminal clean whatever happened. */
export class ProgressView {
  readonly #output: Output;
  readonly #style: Style;
  readonly #now: () => number;
  #stage: Stage | undefined;
  #timer: NodeJS.Timeout | undefined;
  #drawn = false;

  constructor(output: Output, style: Style, now: () => number = () => performance.now()) {
    this.#output = output;
    this.#style = style;
    this.#now = now;
  }

  /** Shows one event. Bound, so that it can be given as `onEvent`. */
  readonly show = (event: OperationEvent): void => {
    if (event.type === "stage") {
      this.#endStage();
      this.#stage = { name: event.name, detail: event.detail, since: this.#now(), amount: "" };
      if (this.#output.isTTY) this.#animate();
    } else if (event.type === "progress" && this.#stage) {
      this.#stage.amount = amount(event.progress, this.#now() - this.#stage.since);
    } else if (event.type === "notice") {
      this.line(`${this.#style.yellow("note:")} ${event.text}`);
    } else if (event.type === "end") {
      this.finish(event.operation.state === "succeeded");
    }
  };

  /** A line of its own, between what changes. */
  line(text: string): void {
    this.#erase();
    this.#output.write(`${text}\n`);
  }

  /** Ends the display; a stage that did not succeed is not shown as done. */
  finish(succeeded = false): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (succeeded) this.#endStage();
    this.#erase();
    this.#stage = undefined;
  }

  #endStage(): void {
    const stage = this.#stage;
    if (!stage) return;
    this.#stage = undefined;
    this.line(this.#text(stage));
  }

  #animate(): void {
    this.#draw();
    this.#timer ??= setInterval(() => this.#draw(), TICK_MS);
    this.#timer.unref();
  }

  #draw(): void {
    if (!this.#stage) return;
    // Longer than the line, it would wrap and could not be erased.
    const text = this.#text(this.#stage, this.#stage.amount);
    this.#output.write(`\r\x1b[K${text.slice(0, (this.#output.columns ?? 80) - 1)}`);
    this.#drawn = true;
  }

  #text(stage: Stage, more = ""): string {
    const name = stage.detail ? `${stage.name}: ${stage.detail}` : stage.name;
    const took = formatDuration(this.#now() - stage.since).padStart(7);
    return `  ${name.padEnd(NAME_WIDTH)} ${took}${more && `  ${more}`}`;
  }

  #erase(): void {
    if (this.#drawn) this.#output.write("\r\x1b[K");
    this.#drawn = false;
  }
}

type Amount = Extract<OperationEvent, { type: "progress" }>["progress"];

function amount({ done, total, unit, parts = [] }: Amount, ms: number): string {
  const text = (n: number) => (unit === "bytes" ? formatSize(n) : String(n));
  const rate =
    unit === "bytes" && ms >= RATE_AFTER_MS ? `  ${formatSize(Math.round((1000 * done) / ms))}/s` : "";
  if (total === undefined || total === 0) return `${text(done)}${rate}`;
  const percent = (part: number, whole: number) => `${Math.min(100, Math.floor((100 * part) / whole))}%`;
  const each = parts.map((part) => `  ${part.name} ${percent(part.done, part.total)}`).join("");
  return `${text(done)} of ${text(total)} (${percent(done, total)})${rate}${each}`;
}

/**
 * Follows an operation on stderr; `lead` may have a line to be shown before an event. The first Ctrl-C cancels it, and what is half made is undone; a second one leaves at once.
 * @throws Interrupted when it was cancelled, and what the operation failed with
 */
export async function withProgress<T>(
  context: Context,
  quiet: boolean,
  operate: (following: FollowOptions) => Promise<T>,
  lead: (event: OperationEvent) => string | null = () => null,
): Promise<T> {
  const progress = context.progress(quiet);
  const onEvent = (event: OperationEvent) => {
    const text = lead(event);
    if (text !== null) progress.line(text);
    progress.show(event);
  };
  const abort = new AbortController();
  return context.interrupts.during(
    (signal, count) => {
      if (count > 1) context.interrupts.exit(signal);
      else abort.abort(new Interrupted(signal));
    },
    async () => {
      try {
        return await operate({ onEvent, signal: abort.signal });
      } catch (error) {
        throw abort.signal.aborted ? abort.signal.reason : error;
      } finally {
        progress.finish();
      }
    },
  );
}
