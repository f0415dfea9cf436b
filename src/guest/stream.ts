/** One stream of a session: a request, its one answer, its channels and events, its end. Enforces their legal order. */
import { BangerError } from "../core/errors.ts";
import { failureError } from "./failures.ts";
import { decodeFields } from "./fields.ts";
import { CHANNEL, FRAME, type Frame } from "./frames.ts";
import { Inflow } from "./inflow.ts";
import {
  EVENTS,
  type EventName,
  FAILURE,
  type GuestEvent,
  OPERATIONS,
  type OperationName,
  type ResponseOf,
} from "./operations.ts";
import { Outflow } from "./outflow.ts";
import { violation } from "./violation.ts";

/** What a stream needs of its session. */
export interface StreamPort {
  sendControl(type: number, stream: number, channel: number): void;
  sendCredit(stream: number, channel: number, bytes: number): void;
  sendData(stream: number, piece: Buffer): void;
  readonly ready: boolean;
  whenReady(resume: () => void): void;
  /** Closes the session because of what this stream met. */
  fail(error: BangerError): void;
}

/** Called while frames are read; must not block. What they throw closes the session. */
export interface StreamHooks {
  event?(event: GuestEvent): void;
  /** The guest sends no more on a channel. */
  eof?(channel: 1 | 2): void;
  /** The stream ended in order: answered, not cancelled. */
  end?(): void;
  /** It ended otherwise: refused, cancelled, or the session is lost. Called once, instead of `end`. */
  lost?(error: Error): void;
}

const EVENT_NAMES = new Map<number, EventName>(
  Object.entries(EVENTS).map(([name, { event }]) => [event, name as EventName]),
);

/** The host's view of one stream. */
export class GuestStream<N extends OperationName = OperationName> {
  readonly id: number;
  readonly name: N;
  /** The answer. @throws guest_not_found | guest_refused | guest_unreachable | guest_protocol, or the abort's reason */
  readonly response: Promise<ResponseOf<N>>;
  readonly #port: StreamPort;
  readonly #hooks: StreamHooks;
  readonly #inflows = new Map<number, Inflow>();
  readonly #outflow: Outflow | null;
  readonly #answer = Promise.withResolvers<ResponseOf<N>>();
  readonly #ended = Promise.withResolvers<void>();
  #state: "asked" | "answered" | "refused" | "ended" = "asked";
  #cancelled = false;
  #over = false;

  constructor(name: N, id: number, port: StreamPort, hooks: StreamHooks) {
    this.name = name;
    this.id = id;
    this.#port = port;
    this.#hooks = hooks;
    this.response = this.#answer.promise;
    this.response.catch(() => {}); // who does not ask for the answer does not want its error either
    const { from, to } = OPERATIONS[name];
    for (const channel of from) {
      const grant = (bytes: number) => {
        if (this.#live) port.sendCredit(id, channel, bytes);
      };
      this.#inflows.set(channel, new Inflow(grant));
    }
    this.#outflow = to
      ? new Outflow({
          data: (piece) => port.sendData(id, piece),
          eof: () => port.sendControl(FRAME.eof, id, CHANNEL.in),
          get ready() {
            return port.ready;
          },
          whenReady: (resume) => port.whenReady(resume),
        })
      : null;
  }

  /** Resolves when the agent is done with the stream, however it ended; never rejects. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** A channel from the guest. */
  inflow(channel: 1 | 2): Inflow {
    const inflow = this.#inflows.get(channel);
    if (!inflow) throw new Error(`${this.name} has no channel ${channel}`);
    return inflow;
  }

  /** Channel 0. */
  get outflow(): Outflow {
    if (!this.#outflow) throw new Error(`${this.name} takes no data`);
    return this.#outflow;
  }

  /** Lets the guest send; called once after the request. */
  open(): void {
    for (const inflow of this.#inflows.values()) inflow.open();
  }

  /** Wants nothing more of the stream; readers and writers get `reason`. No-op when it is over. */
  cancel(reason: Error = cancelled(this.name)): void {
    if (!this.#live) return;
    this.#cancelled = true;
    this.#port.sendControl(FRAME.cancel, this.id, 0);
    this.#lose(reason);
  }

  /** The session is gone. */
  abandon(error: Error): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#lose(error);
    this.#ended.resolve();
  }

  /** Takes a frame of this stream. Returns true when it was the last. @throws guest_protocol */
  handle(frame: Frame): boolean {
    if (this.#state === "refused" && frame.type !== FRAME.end) throw violation("a refused stream goes on");
    if (frame.type === FRAME.response) this.#respond(frame.payload);
    else if (frame.type === FRAME.credit) this.#credit(frame.payload);
    else if (frame.type === FRAME.end) return this.#end();
    else {
      if (this.#state === "asked") throw violation("a stream goes on before its answer");
      if (frame.type === FRAME.data) this.#inflowOf(frame).accept(frame.payload);
      else if (frame.type === FRAME.eof) this.#eof(frame);
      else this.#event(frame.payload);
    }
    return false;
  }

  get #live(): boolean {
    return !this.#cancelled && this.#state !== "ended" && this.#state !== "refused";
  }

  #respond(payload: Buffer): void {
    if (this.#state !== "asked") throw violation("a request is answered twice");
    const status = payload.readUInt16LE(0);
    if (status === 0) {
      const fields = decodeFields(OPERATIONS[this.name].response, payload.subarray(2));
      this.#state = "answered";
      this.#answer.resolve(fields as ResponseOf<N>);
      return;
    }
    const failure = decodeFields(FAILURE, payload.subarray(2));
    this.#state = "refused";
    this.#lose(failureError({ status, ...failure }, this.name));
  }

  #credit(payload: Buffer): void {
    if (!this.#outflow) throw violation("credit for a stream that takes no data");
    this.#outflow.allow(payload.readUInt32LE(0));
  }

  #inflowOf(frame: Frame): Inflow {
    const inflow = this.#inflows.get(frame.channel);
    if (!inflow) throw violation(`${this.name} has no channel ${frame.channel}`);
    return inflow;
  }

  #eof(frame: Frame): void {
    this.#inflowOf(frame).eof();
    if (!this.#over) this.#hooks.eof?.(frame.channel as 1 | 2);
  }

  #event(payload: Buffer): void {
    const name = EVENT_NAMES.get(payload.readUInt16LE(0));
    const allowed: readonly EventName[] = OPERATIONS[this.name].events;
    if (!name || !allowed.includes(name)) throw violation(`${this.name} sends an event it does not have`);
    const fields = decodeFields(EVENTS[name].fields, payload.subarray(2));
    if (!this.#over) this.#hooks.event?.({ name, fields } as GuestEvent);
  }

  #end(): boolean {
    // A stream cancelled before its answer may end without one.
    if (this.#state === "asked" && !this.#cancelled) throw violation("a stream ends without an answer");
    if (!this.#over) {
      this.#over = true;
      try {
        this.#hooks.end?.();
      } catch (error) {
        this.#over = false; // not an end in order: readers and writers still have to learn of it, from `abandon`
        throw error;
      }
      for (const inflow of this.#inflows.values()) inflow.close(null);
      this.#outflow?.close(null);
    }
    this.#state = "ended";
    this.#ended.resolve();
    return true;
  }

  #lose(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#answer.reject(error);
    for (const inflow of this.#inflows.values()) inflow.close(error);
    this.#outflow?.close(error);
    this.#hooks.lost?.(error);
  }
}

function cancelled(what: string): BangerError {
  return BangerError.of("operation_cancelled", { what });
}
