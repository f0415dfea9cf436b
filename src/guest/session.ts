/** A session with a guest's agent: one connection, many streams. Everything above speaks through it. */
import type { Duplex } from "node:stream";
import { asBangerError, BangerError } from "../core/errors.ts";
import { decodeFields, encodeFields } from "./fields.ts";
import {
  encodeCredit,
  encodeFrame,
  encodeHeader,
  FRAME,
  type Frame,
  FrameDecoder,
  MAX_PAYLOAD,
} from "./frames.ts";
import {
  GENERATION,
  HELLO,
  type Hello,
  MAX_STREAMS,
  OPERATIONS,
  type OperationName,
  type RequestOf,
  type ResponseOf,
} from "./operations.ts";
import { GuestStream, type StreamHooks, type StreamPort } from "./stream.ts";
import { Sync } from "./sync.ts";
import { isUse } from "./use.ts";
import { violation } from "./violation.ts";

const MAX_STREAM_ID = 0xffff_ffff;
const OP_SIZE = 2;

export interface OpenOptions {
  /** Gives up; the connection is destroyed. */
  readonly signal?: AbortSignal;
  /** Longest time until HELLO. */
  readonly timeoutMs?: number;
  /** No host ever left the agent in the middle of a frame: it is told less, which saves a moment. */
  readonly idle?: boolean;
}

export interface RequestOptions {
  /** Cancels the stream; the caller gets the signal's reason at once. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a session on a fresh connection to the agent: sync, then HELLO. The session owns the connection from then on.
 * @throws guest_unreachable | guest_protocol | agent_version, or the signal's reason; the connection is destroyed then
 */
export async function openGuest(duplex: Duplex, options: OpenOptions = {}): Promise<GuestSession> {
  const session = new GuestSession(duplex);
  const { signal, timeoutMs, idle } = options;
  const abort = () => session.fail(abortReason(signal));
  const timer = timeoutMs
    ? setTimeout(() => session.fail(unreachable(`no answer within ${timeoutMs} ms`)), timeoutMs)
    : undefined;
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted) abort();
  try {
    await session.start(idle);
    return session;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/** An open session. Made by `openGuest`. */
export class GuestSession {
  /** Called when a stream that is use of the VM (`use.ts`) begins or ends, with how many there are. */
  onUse: (streams: number) => void = () => {};
  readonly #duplex: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #streams = new Map<number, GuestStream>();
  readonly #port: StreamPort;
  readonly #hello = Promise.withResolvers<Hello>();
  readonly #closed = Promise.withResolvers<BangerError>();
  #sync: Sync | null = new Sync();
  #greeted: Hello | null = null;
  #failure: BangerError | null = null;
  #lastId = 0;
  #uses = 0;
  #waiting: (() => void)[] = [];

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
    this.#decoder = new FrameDecoder((frame) => this.#handle(frame));
    this.#hello.promise.catch(() => {});
    const session = this;
    this.#port = {
      sendControl: (type, stream, channel) => this.#write(encodeFrame(type, stream, channel)),
      sendCredit: (stream, channel, bytes) => this.#write(encodeCredit(stream, channel, bytes)),
      sendData: (stream, piece) => this.#writeData(stream, piece),
      get ready() {
        return !session.#duplex.writableNeedDrain;
      },
      whenReady: (resume) => this.#waiting.push(resume),
      fail: (error) => this.fail(error),
    };
    duplex.on("data", (chunk: Buffer) => this.#receive(chunk));
    duplex.on("drain", () => this.#resume());
    duplex.on("error", (error) => this.fail(unreachable(error.message, error)));
    duplex.on("end", () => this.fail(unreachable("it closed the connection")));
    duplex.on("close", () => this.fail(unreachable("the connection is closed")));
  }

  /** What the agent told about itself. */
  get hello(): Hello {
    if (!this.#greeted) throw new Error("the session is not open yet");
    return this.#greeted;
  }

  /** Resolves with the reason once the session is over; never rejects. */
  get closed(): Promise<BangerError> {
    return this.#closed.promise;
  }

  /** True until the session is over. */
  get isOpen(): boolean {
    return this.#failure === null;
  }

  /** Number of streams that have not ended. */
  get openStreams(): number {
    return this.#streams.size;
  }

  /** True when the agent knows an operation. */
  knows(name: OperationName): boolean {
    return this.hello.ops.includes(OPERATIONS[name].op);
  }

  /** Sends padding and mark, and waits for HELLO. */
  async start(idle = false): Promise<void> {
    if (this.#sync) this.#write(this.#sync.greeting(idle));
    await this.#hello.promise;
  }

  /** One question, one answer. @throws what `GuestStream.response` throws */
  async request<N extends OperationName>(
    name: N,
    fields: RequestOf<N>,
    options: RequestOptions = {},
  ): Promise<ResponseOf<N>> {
    return this.open(name, fields, {}, options).response;
  }

  /**
   * Opens a stream. Its answer and what follows arrive through it and the hooks.
   * @throws guest_unreachable when the session is over, guest_refused when too many streams are open or the agent does
   * not know the operation, invalid_argument
   */
  open<N extends OperationName>(
    name: N,
    fields: RequestOf<N>,
    hooks: StreamHooks = {},
    options: RequestOptions = {},
  ): GuestStream<N> {
    if (options.signal?.aborted) throw abortReason(options.signal);
    const payload = this.#requestPayload(name, fields);
    const id = this.#newId();
    const stream = new GuestStream(name, id, this.#port, hooks);
    this.#streams.set(id, stream as unknown as GuestStream);
    if (isUse(name)) this.#count(stream);
    this.#duplex.cork();
    this.#write(encodeFrame(FRAME.request, id, 0, payload));
    stream.open();
    this.#duplex.uncork();
    cancelOnAbort(stream, options.signal);
    return stream;
  }

  /** Ends the session. Processes follow their `on_disconnect` choice. Idempotent. */
  close(): void {
    this.fail(unreachable("banger closed the connection"));
  }

  /** Ends the session because of `error`: every stream fails with it. Only the first reason counts. */
  fail(error: BangerError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#duplex.destroy();
    this.#waiting = [];
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    this.#hello.reject(error);
    for (const stream of streams) stream.abandon(error);
    this.#closed.resolve(error);
  }

  #requestPayload<N extends OperationName>(name: N, fields: RequestOf<N>): Buffer {
    if (this.#failure) throw this.#failure;
    if (!this.knows(name)) {
      throw BangerError.of(
        "guest_refused",
        {
          problem: `this VM's agent does not know ${name}`,
          hint: "banger vm restart gives the VM this banger's agent",
        },
        { details: { status: "unknown_op", errno: 0 } },
      );
    }
    const { op, request } = OPERATIONS[name];
    const body = encodeFields(request, fields);
    if (body.length > MAX_PAYLOAD - OP_SIZE) {
      throw BangerError.of("invalid_argument", {
        what: name,
        problem: `the request has ${body.length} bytes`,
        accepted: `at most ${MAX_PAYLOAD - OP_SIZE} bytes`,
      });
    }
    const number = Buffer.allocUnsafe(OP_SIZE);
    number.writeUInt16LE(op, 0);
    return Buffer.concat([number, body]);
  }

  #count(stream: { readonly ended: Promise<void> }): void {
    this.onUse(++this.#uses);
    void stream.ended.then(() => this.onUse(--this.#uses));
  }

  #newId(): number {
    if (this.#streams.size >= MAX_STREAMS) {
      throw BangerError.of(
        "guest_refused",
        { problem: `${MAX_STREAMS} streams are open`, hint: "wait until some of them have ended" },
        { details: { status: "too_many", errno: 0 } },
      );
    }
    if (this.#lastId === MAX_STREAM_ID) {
      const error = unreachable("the session is used up; connect again");
      this.fail(error);
      throw error;
    }
    this.#lastId++;
    return this.#lastId;
  }

  #receive(chunk: Buffer): void {
    try {
      const bytes = this.#sync ? this.#skipToMark(this.#sync, chunk) : chunk;
      if (bytes && !this.#failure) this.#decoder.push(bytes);
    } catch (error) {
      this.fail(asBangerError(error));
    }
  }

  #skipToMark(sync: Sync, chunk: Buffer): Buffer | null {
    const rest = sync.find(chunk);
    if (rest) this.#sync = null;
    return rest;
  }

  #handle(frame: Frame): void {
    if (this.#failure) return; // the rest of a chunk whose session just ended
    if (!this.#greeted) this.#greet(frame);
    else if (frame.stream === 0) throw violation("a second HELLO");
    else {
      const stream = this.#streams.get(frame.stream);
      if (!stream) throw violation(`a frame for stream ${frame.stream}, which is not open`);
      if (stream.handle(frame)) this.#streams.delete(frame.stream);
    }
  }

  #greet(frame: Frame): void {
    if (frame.type !== FRAME.hello) throw violation("it does not begin with HELLO");
    const hello = decodeFields(HELLO, frame.payload);
    if (hello.generation !== GENERATION) {
      throw BangerError.of("agent_version", { found: hello.generation, known: GENERATION });
    }
    this.#greeted = hello;
    this.#hello.resolve(hello);
  }

  #write(bytes: Buffer): void {
    if (!this.#failure) this.#duplex.write(bytes);
  }

  #writeData(stream: number, piece: Buffer): void {
    if (this.#failure) return;
    this.#duplex.cork();
    this.#duplex.write(encodeHeader(FRAME.data, stream, 0, piece.length));
    this.#duplex.write(piece);
    this.#duplex.uncork();
  }

  /** Streams that wait for the connection get a turn each, in order; who is not done queues again behind the others. */
  #resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    while (waiting.length > 0 && this.#port.ready) waiting.shift()?.();
    this.#waiting.unshift(...waiting);
  }
}

function cancelOnAbort(stream: GuestStream, signal: AbortSignal | undefined): void {
  if (!signal) return;
  const abort = () => stream.cancel(abortReason(signal));
  signal.addEventListener("abort", abort, { once: true });
  void stream.ended.then(() => signal.removeEventListener("abort", abort));
}

function abortReason(signal: AbortSignal | undefined): BangerError {
  const reason: unknown = signal?.reason;
  if (reason instanceof BangerError) return reason;
  const text = reason instanceof Error && reason.name === "TimeoutError" ? "no answer in time" : "given up";
  return unreachable(text, reason);
}

function unreachable(reason: string, cause?: unknown): BangerError {
  return BangerError.of("guest_unreachable", { reason }, cause === undefined ? {} : { cause });
}
