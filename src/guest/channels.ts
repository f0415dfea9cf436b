/**
 * Node streams on top of channels. High water mark 0: a stream holds at most the one piece its reader is being given,
 * everything else waits in the channel and counts against the window. An error reaches the reader after the data.
 */
import { Duplex, Readable, Writable } from "node:stream";
import type { Inflow } from "./inflow.ts";
import type { Outflow } from "./outflow.ts";

type Callback = (error?: Error | null) => void;

const ignore = () => {};

/** A channel from the guest. `onAbandoned` runs when the reader destroys it before its end. */
export class ChannelReadable extends Readable {
  readonly #inflow: Inflow;
  readonly #onAbandoned: () => void;
  #pushed = 0;

  constructor(inflow: Inflow, onAbandoned: () => void) {
    super({ highWaterMark: 0 });
    this.#inflow = inflow;
    this.#onAbandoned = onAbandoned;
    this.on("error", ignore); // nobody has to listen to a stream that is not used
  }

  /** How many bytes the reader has taken. */
  get taken(): number {
    return this.#pushed - this.readableLength;
  }

  override push(chunk: Buffer | null): boolean {
    this.#pushed += chunk?.length ?? 0;
    return super.push(chunk);
  }

  override _read(): void {
    this.#inflow.pull(this);
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (!this.readableEnded) {
      this.#inflow.discard();
      this.#onAbandoned();
    }
    callback(error);
  }
}

/** Channel 0. `onAbandoned` runs when the writer destroys it before its end. */
export class ChannelWritable extends Writable {
  readonly #outflow: Outflow;
  readonly #onAbandoned: () => void;

  constructor(outflow: Outflow, onAbandoned: () => void) {
    super({ decodeStrings: true });
    this.#outflow = outflow;
    this.#onAbandoned = onAbandoned;
    this.on("error", ignore);
    outflow.onClosed = (outcome) => this.destroy(outcome ?? undefined);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    this.#outflow.write(chunk, done);
  }

  override _final(done: Callback): void {
    this.#outflow.end();
    done();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    if (!this.#outflow.ended) this.#onAbandoned();
    callback(error);
  }
}

/** Both directions as one stream with half close, like a socket. */
export class ChannelDuplex extends Duplex {
  readonly #inflow: Inflow;
  readonly #outflow: Outflow;
  readonly #onAbandoned: () => void;

  constructor(inflow: Inflow, outflow: Outflow, onAbandoned: () => void) {
    super({ readableHighWaterMark: 0, allowHalfOpen: true });
    this.#inflow = inflow;
    this.#outflow = outflow;
    this.#onAbandoned = onAbandoned;
    this.on("error", ignore);
  }

  override _read(): void {
    this.#inflow.pull(this);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Callback): void {
    this.#outflow.write(chunk, done);
  }

  override _final(done: Callback): void {
    this.#outflow.end();
    done();
  }

  override _destroy(error: Error | null, callback: Callback): void {
    this.#inflow.discard();
    // When both directions ended in order the guest ends the stream by itself, after the last byte is where it belongs.
    if (!this.readableEnded || !this.#outflow.ended) this.#onAbandoned();
    callback(error);
  }
}
