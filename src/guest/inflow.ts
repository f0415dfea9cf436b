/** The receiving end of one channel: counts credit, queues what nobody reads yet, ends or fails after the last byte. */
import { ByteQueue } from "./byte-queue.ts";
import { violation } from "./violation.ts";

/** How many bytes of a channel may be under way or queued. */
export const WINDOW = 524_288;

/** What a Node stream offers its source. */
export interface Sink {
  push(chunk: Buffer | null): boolean;
  destroy(error?: Error): unknown;
}

/** One channel from the guest. Reading returns credit, so memory stays below the window whatever the guest sends. */
export class Inflow {
  readonly #queue = new ByteQueue();
  readonly #grant: (bytes: number) => void;
  #allowed = 0;
  #consumed = 0;
  #sink: Sink | null = null;
  #eof = false;
  #outcome: Error | null | undefined;
  #discarding = false;

  /** @param grant sends a CREDIT frame */
  constructor(grant: (bytes: number) => void) {
    this.#grant = grant;
  }

  /** Gives the guest its first credit. */
  open(): void {
    this.#allowed = WINDOW;
    this.#grant(WINDOW);
  }

  /** True once the guest announced that no more data follows. */
  get sawEof(): boolean {
    return this.#eof;
  }

  /** A DATA frame. @throws guest_protocol */
  accept(data: Buffer): void {
    if (this.#eof) throw violation("data after the end of a channel");
    if (data.length > this.#allowed) throw violation("more data than was allowed");
    this.#allowed -= data.length;
    if (this.#discarding || this.#outcome !== undefined) this.#count(data.length);
    else if (this.#sink && this.#queue.length === 0) this.#hand(this.#sink, data);
    else this.#queue.add(data);
  }

  /** An EOF frame. @throws guest_protocol */
  eof(): void {
    if (this.#eof) throw violation("a channel ended twice");
    this.#eof = true;
  }

  /** Nothing more comes: the reader gets what is queued, then the end (null) or the error. The first call counts. */
  close(outcome: Error | null): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.#serve();
  }

  /** The reader wants one piece (Node's `_read`). */
  pull(sink: Sink): void {
    this.#sink = sink;
    this.#serve();
  }

  /** The reader is gone: drop everything, but keep the guest going. */
  discard(): void {
    this.#discarding = true;
    this.#sink = null;
    const left = this.#queue.length;
    this.#queue.clear();
    this.#count(left);
  }

  #serve(): void {
    const sink = this.#sink;
    if (!sink) return;
    const piece = this.#queue.take();
    if (piece) this.#hand(sink, piece);
    else if (this.#outcome === null) this.#finish(() => sink.push(null));
    else if (this.#outcome) this.#finish(() => sink.destroy(this.#outcome as Error));
  }

  #hand(sink: Sink, piece: Buffer): void {
    this.#sink = null;
    this.#count(piece.length);
    sink.push(piece);
  }

  #finish(how: () => void): void {
    this.#sink = null;
    how();
  }

  #count(bytes: number): void {
    this.#consumed += bytes;
    if (this.#consumed < WINDOW / 4 || this.#eof || this.#outcome !== undefined) return;
    const credit = this.#consumed;
    this.#consumed = 0;
    this.#allowed += credit;
    this.#grant(credit);
  }
}
