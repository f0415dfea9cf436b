/** The frames of a WebSocket as its client reads and writes them (RFC 6455, section 5), with bounded memory. */
import { BangerError } from "../core/errors.ts";

export type MessageKind = "text" | "binary" | "close" | "ping" | "pong";

export interface Message {
  readonly kind: MessageKind;
  readonly data: Buffer;
}

const OPCODES: Readonly<Record<MessageKind, number>> = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 };
const KINDS = new Map(Object.entries(OPCODES).map(([kind, opcode]) => [opcode, kind as MessageKind]));
const CONTINUATION = 0;
const FIN = 0x80;
/** Bits of extensions, of which none was agreed on. */
const RESERVED = 0x70;
const MASKED = 0x80;
/** Control frames are at most this long and never in parts. */
const MAX_CONTROL = 125;
const LENGTH_16 = 126;
const LENGTH_64 = 127;
const MAX_HEADER = 10;

interface Header {
  readonly final: boolean;
  readonly opcode: number;
  readonly size: number;
  readonly length: number;
}

/**
 * What stands before a client's message of `length` bytes. Masking protects proxies on the way; there is none on a local
 * socket, and with a mask of zeros the message stays as it is.
 */
export function clientHeader(kind: MessageKind, length: number): Buffer {
  const extra = length <= MAX_CONTROL ? 0 : length <= 0xffff ? 2 : 8;
  const header = Buffer.alloc(2 + extra + 4);
  header[0] = FIN | OPCODES[kind];
  header[1] = MASKED | (extra === 0 ? length : extra === 2 ? LENGTH_16 : LENGTH_64);
  if (extra === 2) header.writeUInt16BE(length, 2);
  if (extra === 8) header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

/** Messages out of the bytes that a server sent. */
export class MessageReader {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  #size = 0;
  #header: Header | undefined;
  #kind: "text" | "binary" | undefined;
  #parts: Buffer[] = [];
  /** Bytes in `#parts`. */
  #collected = 0;

  /** @param limit bytes of the longest message that is taken */
  constructor(limit: number) {
    this.#limit = limit;
  }

  add(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#size += chunk.length;
  }

  /** The next message, or undefined until more was added. @throws internal for what the standard or the limit forbids */
  next(): Message | undefined {
    for (;;) {
      this.#header ??= this.#readHeader();
      if (!this.#header || this.#size < this.#header.length) return undefined;
      const { final, opcode, length } = this.#header;
      this.#header = undefined;
      const data = this.#take(length);
      const kind = KINDS.get(opcode);
      if (kind !== undefined && kind !== "text" && kind !== "binary") return { kind, data };
      this.#kind ??= kind;
      if (data.length > 0) this.#parts.push(data);
      this.#collected += data.length;
      if (final) return this.#finish();
    }
  }

  #finish(): Message {
    const message = { kind: this.#kind ?? "binary", data: join(this.#parts) };
    this.#kind = undefined;
    this.#parts = [];
    this.#collected = 0;
    return message;
  }

  #readHeader(): Header | undefined {
    const header = this.#peekHeader();
    if (!header) return undefined;
    this.#take(header.size);
    return header;
  }

  #peekHeader(): Header | undefined {
    const [first] = this.#chunks;
    if (first && first.length < MAX_HEADER && this.#chunks.length > 1) this.#chunks = [join(this.#chunks)];
    const bytes = this.#chunks[0] ?? Buffer.alloc(0);
    const [lead, short] = bytes;
    if (lead === undefined || short === undefined) return undefined;
    const size = short === LENGTH_16 ? 4 : short === LENGTH_64 ? MAX_HEADER : 2;
    if ((short & MASKED) !== 0 || (lead & RESERVED) !== 0) throw broken("a frame that no server may send");
    if (bytes.length < size) return undefined;
    const length = size === 2 ? short : size === 4 ? bytes.readUInt16BE(2) : bytes.readBigUInt64BE(2);
    const header = { final: (lead & FIN) !== 0, opcode: lead & 0x0f, size, length: Number(length) };
    this.#check(header);
    return header;
  }

  #check({ final, opcode, length }: Header): void {
    const kind = KINDS.get(opcode);
    if (kind === undefined && opcode !== CONTINUATION) throw broken("a frame of an unknown kind");
    if (opcode >= OPCODES.close) {
      if (!final || length > MAX_CONTROL) throw broken("a control frame that is in parts or too long");
      return;
    }
    if ((opcode === CONTINUATION) !== (this.#kind !== undefined))
      throw broken("parts that do not fit together");
    if (this.#collected + length > this.#limit) throw broken(`a message of more than ${this.#limit} bytes`);
  }

  #take(length: number): Buffer {
    const taken: Buffer[] = [];
    let missing = length;
    while (missing > 0) {
      const chunk = this.#chunks.shift() ?? Buffer.alloc(0);
      taken.push(chunk.subarray(0, missing));
      if (chunk.length > missing) this.#chunks.unshift(chunk.subarray(missing));
      missing -= Math.min(chunk.length, missing);
    }
    this.#size -= length;
    return join(taken);
  }
}

/** One piece is not copied. */
function join(pieces: readonly Buffer[]): Buffer {
  const [first = Buffer.alloc(0)] = pieces;
  return pieces.length <= 1 ? first : Buffer.concat(pieces);
}

const broken = (problem: string) => BangerError.of("internal", { problem: `the daemon sent ${problem}` });
