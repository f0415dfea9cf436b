/**
 * Frames of docs/protocol.md: a header of 12 bytes and a payload. The decoder checks all that a header alone can tell,
 * so that the session only ever sees frames of a legal type, direction, channel and length.
 */
import { violation } from "./violation.ts";

export const HEADER_SIZE = 12;
/** Largest payload of any frame. */
export const MAX_PAYLOAD = 262_144;
/** Largest payload of a DATA frame. */
export const MAX_DATA = 65_536;

/** Frame types by name. */
export const FRAME = {
  padding: 0,
  hello: 1,
  request: 2,
  response: 3,
  data: 4,
  credit: 5,
  eof: 6,
  event: 7,
  end: 8,
  cancel: 9,
} as const;

/** Channels of a stream: 0 goes to the guest, 1 and 2 come from it. */
export const CHANNEL = { in: 0, out: 1, err: 2 } as const;

/** Who sent a frame; the two ends may send different types. */
export type Sender = "agent" | "host";

/** One decoded frame. `payload` may be a view of the chunk it came in: whoever keeps it for long copies it. */
export interface Frame {
  readonly type: number;
  readonly stream: number;
  readonly channel: number;
  readonly payload: Buffer;
}

interface Rule {
  readonly name: string;
  readonly session: boolean;
  readonly min: number;
  readonly max: number;
  readonly channels: readonly number[];
}

const NO_CHANNEL = [0];
const rule = (name: string, min: number, max: number, channels = NO_CHANNEL, session = false): Rule => ({
  name,
  session,
  min,
  max,
  channels,
});

const RULES: Record<Sender, ReadonlyMap<number, Rule>> = {
  agent: new Map([
    [FRAME.hello, rule("HELLO", 0, MAX_PAYLOAD, NO_CHANNEL, true)],
    [FRAME.response, rule("RESPONSE", 2, MAX_PAYLOAD)],
    [FRAME.data, rule("DATA", 1, MAX_DATA, [1, 2])],
    [FRAME.credit, rule("CREDIT", 4, 4)],
    [FRAME.eof, rule("EOF", 0, 0, [1, 2])],
    [FRAME.event, rule("EVENT", 2, MAX_PAYLOAD)],
    [FRAME.end, rule("END", 0, 0)],
  ]),
  host: new Map([
    [FRAME.padding, rule("padding", 0, 0, NO_CHANNEL, true)],
    [FRAME.request, rule("REQUEST", 2, MAX_PAYLOAD)],
    [FRAME.data, rule("DATA", 1, MAX_DATA)],
    [FRAME.credit, rule("CREDIT", 4, 4, [1, 2])],
    [FRAME.eof, rule("EOF", 0, 0)],
    [FRAME.cancel, rule("CANCEL", 0, 0)],
  ]),
};

const EMPTY = Buffer.alloc(0);

/**
 * Turns chunks of any size into frames. Holds at most one unfinished frame (256 KiB); a frame that lies wholly in one
 * chunk is handed on without a copy.
 */
export class FrameDecoder {
  readonly #onFrame: (frame: Frame) => void;
  readonly #rules: ReadonlyMap<number, Rule>;
  readonly #header = Buffer.alloc(HEADER_SIZE);
  #headerFilled = 0;
  #payload: Buffer | null = null;
  #payloadFilled = 0;

  constructor(onFrame: (frame: Frame) => void, sender: Sender = "agent") {
    this.#onFrame = onFrame;
    this.#rules = RULES[sender];
  }

  /** Takes the next bytes and calls back for each frame they complete. @throws guest_protocol, and what the callback throws */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payload) at = this.#fillPayload(this.#payload, chunk, at);
      else if (this.#headerFilled > 0 || chunk.length - at < HEADER_SIZE) at = this.#fillHeader(chunk, at);
      else at = this.#whole(chunk, at);
    }
  }

  /** True when no frame is half received. */
  get atBoundary(): boolean {
    return this.#headerFilled === 0;
  }

  /** A header that is complete in the chunk; its payload often is, too. */
  #whole(chunk: Buffer, at: number): number {
    const length = this.#check(chunk, at);
    const end = at + HEADER_SIZE + length;
    if (end <= chunk.length) {
      this.#emit(chunk, at, length === 0 ? EMPTY : chunk.subarray(at + HEADER_SIZE, end));
      return end;
    }
    return this.#fillHeader(chunk, at);
  }

  #fillHeader(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.#header, this.#headerFilled, at, at + HEADER_SIZE - this.#headerFilled);
    this.#headerFilled += taken;
    if (this.#headerFilled < HEADER_SIZE) return at + taken;
    const length = this.#check(this.#header, 0);
    if (length === 0) this.#finish(EMPTY);
    else {
      this.#payload = Buffer.allocUnsafe(length);
      this.#payloadFilled = 0;
    }
    return at + taken;
  }

  #fillPayload(payload: Buffer, chunk: Buffer, at: number): number {
    const taken = chunk.copy(payload, this.#payloadFilled, at);
    this.#payloadFilled += taken;
    if (this.#payloadFilled === payload.length) this.#finish(payload);
    return at + taken;
  }

  #finish(payload: Buffer): void {
    this.#payload = null;
    this.#headerFilled = 0;
    this.#emit(this.#header, 0, payload);
  }

  #emit(header: Buffer, at: number, payload: Buffer): void {
    this.#onFrame({
      type: header.readUInt8(at + 8),
      stream: header.readUInt32LE(at + 4),
      channel: header.readUInt8(at + 9),
      payload,
    });
  }

  /** The payload's length. */
  #check(header: Buffer, at: number): number {
    const length = header.readUInt32LE(at);
    const type = header.readUInt8(at + 8);
    if (length > MAX_PAYLOAD) throw violation(`a frame announces ${length} bytes`);
    const allowed = this.#rules.get(type);
    if (!allowed) throw violation(`a frame has the type ${type}`);
    if (length < allowed.min || length > allowed.max) {
      throw violation(`a ${allowed.name} frame announces ${length} bytes`);
    }
    const channel = header.readUInt8(at + 9);
    if (!allowed.channels.includes(channel)) throw violation(`${allowed.name} on channel ${channel}`);
    const stream = header.readUInt32LE(at + 4);
    if ((stream === 0) !== allowed.session) throw violation(`${allowed.name} on stream ${stream}`);
    if (header.readUInt16LE(at + 10) !== 0) throw violation("reserved bytes of a header are not zero");
    return length;
  }
}

/** The 12 bytes before a payload of `length` bytes. */
export function encodeHeader(type: number, stream: number, channel: number, length: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_SIZE);
  header.writeUInt32LE(length, 0);
  header.writeUInt32LE(stream, 4);
  header.writeUInt8(type, 8);
  header.writeUInt8(channel, 9);
  header.writeUInt16LE(0, 10);
  return header;
}

/** A whole frame as one buffer: for control frames, whose payloads are small. */
export function encodeFrame(type: number, stream: number, channel: number, payload: Buffer = EMPTY): Buffer {
  return Buffer.concat([encodeHeader(type, stream, channel, payload.length), payload]);
}

/** A CREDIT frame: the other end may send `bytes` more on `channel`. */
export function encodeCredit(stream: number, channel: number, bytes: number): Buffer {
  const payload = Buffer.allocUnsafe(4);
  payload.writeUInt32LE(bytes, 0);
  return encodeFrame(FRAME.credit, stream, channel, payload);
}
