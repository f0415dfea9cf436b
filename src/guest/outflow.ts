/** The sending end of channel 0: cuts writes into frames, waits for the guest's credit and for the connection. */
import { MAX_DATA } from "./frames.ts";
import { MAX_WINDOW } from "./operations.ts";
import { violation } from "./violation.ts";

/** What a stream needs of the connection. */
export interface Carrier {
  /** Sends one DATA frame of at most MAX_DATA bytes. */
  data(piece: Buffer): void;
  /** Sends EOF. */
  eof(): void;
  /** False while the connection is congested. */
  readonly ready: boolean;
  /** Calls back once when it no longer is; streams are served in turn. */
  whenReady(resume: () => void): void;
}

type Done = (error?: Error | null) => void;

/** One channel to the guest. One write at a time, as Node's Writable does it. */
export class Outflow {
  readonly #carrier: Carrier;
  #credit = 0;
  #pending: Buffer | null = null;
  #done: Done | null = null;
  #waiting = false;
  #ended = false;
  #outcome: Error | null | undefined;
  #sent = 0;
  /** Called once when the guest can take no more: null = the stream ended in order. */
  onClosed: ((outcome: Error | null) => void) | null = null;

  constructor(carrier: Carrier) {
    this.#carrier = carrier;
  }

  /** Bytes sent so far. */
  get sent(): number {
    return this.#sent;
  }

  /** True once EOF was sent. */
  get ended(): boolean {
    return this.#ended;
  }

  /** A CREDIT frame. @throws guest_protocol */
  allow(bytes: number): void {
    if (bytes === 0 || this.#credit + bytes > MAX_WINDOW) throw violation(`a credit of ${bytes} bytes`);
    this.#credit += bytes;
    this.#pump();
  }

  /** Sends all of `data`, then calls `done`. A stream that ended in order swallows what comes too late, as a closed socket does. */
  write(data: Buffer, done: Done): void {
    if (this.#outcome !== undefined || data.length === 0) {
      done(this.#outcome);
      return;
    }
    this.#pending = data;
    this.#done = done;
    this.#pump();
  }

  /** No more data follows. Idempotent. */
  end(): void {
    if (this.#ended || this.#outcome !== undefined) return;
    this.#ended = true;
    this.#carrier.eof();
  }

  /** The stream is over; a write under way is dropped. The first call counts. */
  close(outcome: Error | null): void {
    if (this.#outcome !== undefined) return;
    this.#outcome = outcome;
    this.onClosed?.(outcome);
    this.#complete(outcome);
  }

  #pump(): void {
    while (this.#pending && this.#credit > 0) {
      if (!this.#carrier.ready) {
        this.#wait();
        return;
      }
      const size = Math.min(this.#pending.length, this.#credit, MAX_DATA);
      this.#credit -= size;
      this.#sent += size;
      this.#carrier.data(this.#pending.subarray(0, size));
      if (size < this.#pending.length) this.#pending = this.#pending.subarray(size);
      else this.#complete();
    }
  }

  #wait(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    this.#carrier.whenReady(() => {
      this.#waiting = false;
      this.#pump();
    });
  }

  #complete(outcome: Error | null = null): void {
    const done = this.#done;
    this.#pending = null;
    this.#done = null;
    done?.(outcome);
  }
}
