/** An agent under the test's control: speaks frames over an in-memory connection, legally or not. */
import { type Duplex, duplexPair } from "node:stream";
import { encodeFields } from "../../../src/guest/fields.ts";
import { encodeFrame, FRAME, type Frame, FrameDecoder } from "../../../src/guest/frames.ts";
import { EVENTS, type EventName, GENERATION, HELLO, OPERATIONS } from "../../../src/guest/operations.ts";
import { type GuestSession, openGuest } from "../../../src/guest/session.ts";
import { NONCE_SIZE, PADDING_SIZE, SYNC_MARK } from "../../../src/guest/sync.ts";

/** The other end of a session. */
export class ScriptedAgent {
  readonly wire: Duplex;
  readonly #decoder = new FrameDecoder((frame) => this.#arrived(frame), "host");
  readonly #frames: Frame[] = [];
  #wake: (() => void) | null = null;
  #greeting: Buffer | null = Buffer.alloc(0);
  readonly greeted = Promise.withResolvers<Buffer>();

  constructor(wire: Duplex) {
    this.wire = wire;
    wire.on("data", (chunk: Buffer) => this.#receive(chunk));
    wire.on("error", () => {});
  }

  /** Mark and nonce, then HELLO. */
  async greet(hello: Buffer = helloFields()): Promise<void> {
    const mark = await this.greeted.promise;
    this.wire.write(Buffer.concat([mark, encodeFrame(FRAME.hello, 0, 0, hello)]));
  }

  /** The next frame of one of these types; others (credit, for one) are passed over. */
  async next(...types: readonly number[]): Promise<Frame> {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame && types.includes(frame.type)) return { ...frame, payload: Buffer.from(frame.payload) };
      if (frame) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  send(type: number, stream: number, channel = 0, payload: Buffer = Buffer.alloc(0)): void {
    this.wire.write(encodeFrame(type, stream, channel, payload));
  }

  respond(stream: number, fields: Buffer = Buffer.alloc(0), status = 0): void {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(status);
    this.send(FRAME.response, stream, 0, Buffer.concat([number, fields]));
  }

  event(stream: number, name: EventName, fields: Buffer = Buffer.alloc(0)): void {
    const number = Buffer.alloc(2);
    number.writeUInt16LE(EVENTS[name].event);
    this.send(FRAME.event, stream, 0, Buffer.concat([number, fields]));
  }

  credit(stream: number, bytes: number): void {
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(bytes);
    this.send(FRAME.credit, stream, 0, payload);
  }

  data(stream: number, channel: number, payload: Buffer): void {
    this.send(FRAME.data, stream, channel, payload);
  }

  end(stream: number): void {
    this.send(FRAME.end, stream);
  }

  #receive(chunk: Buffer): void {
    if (!this.#greeting) {
      this.#decoder.push(chunk);
      return;
    }
    const bytes = Buffer.concat([this.#greeting, chunk]);
    const size = PADDING_SIZE + SYNC_MARK.length + NONCE_SIZE;
    this.#greeting = bytes;
    if (bytes.length < size) return;
    this.#greeting = null;
    this.greeted.resolve(bytes.subarray(PADDING_SIZE, size));
    this.#decoder.push(bytes.subarray(size));
  }

  #arrived(frame: Frame): void {
    this.#frames.push(frame);
    this.#wake?.();
  }
}

/** A lawful HELLO payload, with changes. */
export function helloFields(changes: { generation?: number; ops?: number[] } = {}): Buffer {
  return encodeFields(HELLO, {
    generation: changes.generation ?? GENERATION,
    role: "hosted",
    agentVersion: "test",
    ops: changes.ops ?? Object.values(OPERATIONS).map(({ op }) => op),
  });
}

/** An open session and its scripted agent. */
export async function scripted(): Promise<{ session: GuestSession; agent: ScriptedAgent; host: Duplex }> {
  const { host, agent } = wires();
  const [session] = await Promise.all([openGuest(host, { timeoutMs: 5000 }), agent.greet()]);
  return { session, agent, host };
}

/** Both ends of a connection before the session starts. */
export function wires(): { host: Duplex; agent: ScriptedAgent } {
  const [host, other] = duplexPair();
  return { host, agent: new ScriptedAgent(other) };
}
