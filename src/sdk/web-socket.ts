/**
 * The client's end of a WebSocket to the daemon (RFC 6455): what a client on a local socket needs of it. Why not `ws`:
 * docs/adr/0025-clients-speak-websocket-themselves.md.
 */
import { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { BangerError } from "../core/errors.ts";
import { clientHeader, type MessageKind, MessageReader } from "./web-socket-frames.ts";

/** Key and the answer that it must get: the standard's own example. It guards against caches, and there is none on the way. */
const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/** Milliseconds for the other end's answer to a close. */
const CLOSE_TIMEOUT = 30_000;
const NO_CODE = 1005;
const ABNORMAL = 1006;

/** The headers that ask for it. */
export const UPGRADE_HEADERS = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": KEY,
};

interface Events {
  /** A message; `binary` is false for a text. */
  message: [data: Buffer, binary: boolean];
  /** The other end broke the rules; `close` follows. */
  error: [error: Error];
  /** Nothing more comes, with the code that the other end gave: 1006 when it gave none. */
  close: [code: number];
}

/** Made paused: what the daemon says first must not come before somebody listens; `resume()` then. */
export class WebSocket extends EventEmitter<Events> {
  readonly #socket: Duplex;
  readonly #reader: MessageReader;
  #paused = true;
  #reading = false;
  #code = ABNORMAL;

  /**
   * @param socket the connection, of which `head` was read already
   * @param limit bytes of the longest message that is taken
   * @throws internal when the answer to the upgrade is not the standard's
   */
  constructor(reply: IncomingMessage, socket: Duplex, head: Buffer, limit: number) {
    super();
    if (reply.headers["sec-websocket-accept"] !== ACCEPT) {
      socket.destroy();
      throw BangerError.of("internal", { problem: "the daemon answered a WebSocket's key wrongly" });
    }
    this.#socket = socket;
    this.#reader = new MessageReader(limit);
    this.#reader.add(head);
    socket.pause();
    socket.on("data", (chunk: Buffer) => {
      this.#reader.add(chunk);
      this.#read();
    });
    socket.on("error", () => {}); // its close is what counts
    socket.once("close", () => this.emit("close", this.#code));
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** No message comes until `resume`. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#read();
  }

  /** Sends a text, or bytes as a binary message. `done` is called when it is written, or with why it cannot be. */
  send(data: string | Buffer, done?: (error?: Error | null) => void): void {
    if (typeof data === "string") this.#write("text", Buffer.from(data), done);
    else this.#write("binary", data, done);
  }

  /** Ends it in order; what the other end sends before its answer still comes, unless paused. */
  close(code = 1000): void {
    const reason = Buffer.alloc(2);
    reason.writeUInt16BE(code);
    this.#close(reason);
  }

  /** Ends it at once. */
  terminate(): void {
    this.#socket.destroy();
  }

  #write(kind: MessageKind, data: Buffer, done?: (error?: Error | null) => void): void {
    if (!this.#socket.writable) {
      done?.(BangerError.of("daemon_connection_lost", {}));
      return;
    }
    this.#socket.cork();
    this.#socket.write(clientHeader(kind, data.length));
    this.#socket.write(data, done);
    this.#socket.uncork();
  }

  #close(reason: Buffer): void {
    if (!this.#socket.writable) return;
    this.#write("close", reason);
    this.#socket.end();
    const limit = setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT);
    this.#socket.once("close", () => clearTimeout(limit));
  }

  /** Hands on the messages that are here, until paused; then goes on taking bytes. */
  #read(): void {
    if (this.#reading) return; // a listener resumed: the loop below goes on
    this.#reading = true;
    try {
      while (!this.#paused && !this.#socket.destroyed) {
        const message = this.#reader.next();
        if (!message) break;
        this.#receive(message.kind, message.data);
      }
    } catch (error) {
      this.emit("error", error as Error);
      this.#socket.destroy();
    } finally {
      this.#reading = false;
    }
    if (!this.#paused) this.#socket.resume();
  }

  #receive(kind: MessageKind, data: Buffer): void {
    if (kind === "text" || kind === "binary") this.emit("message", data, kind === "binary");
    else if (kind === "ping") this.#write("pong", data);
    else if (kind === "close") {
      this.#code = data.length >= 2 ? data.readUInt16BE(0) : NO_CODE;
      this.#close(data.subarray(0, data.length >= 2 ? 2 : 0));
    }
  }
}
