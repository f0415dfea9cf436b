/** A TCP connection to a port in the guest, as a stream (messages: src/api/connect.ts). */
import { Duplex } from "node:stream";
import type { ConnectClientMessage, ConnectServerMessage } from "../api/connect.ts";
import { BangerError, type ErrorBody } from "../core/errors.ts";
import { connectionError, type Transport } from "./transport.ts";
import type { WebSocket } from "./web-socket.ts";

/** Bytes waiting for the reader before the connection is paused, and for the connection before the writer is. */
const WINDOW = 256 * 1024;
/** Data travels in messages of at most this many bytes. */
const PIECE = 256 * 1024;

/** Connects to a port of the VM with that API path. @throws guest_refused when nothing listens, and what the VM's state forbids */
export async function connectPort(
  transport: Transport,
  vmPath: string,
  port: number,
  signal?: AbortSignal,
): Promise<Duplex> {
  signal?.throwIfAborted();
  const connection = new PortConnection(await transport.webSocket(`${vmPath}/ports/${port}/connect`));
  const abort = () => connection.destroy(signal?.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  connection.once("close", () => signal?.removeEventListener("abort", abort));
  await connection.connected;
  return connection;
}

class PortConnection extends Duplex {
  /** Resolves when the guest accepted it. */
  readonly connected: Promise<void>;
  readonly #connected = Promise.withResolvers<void>();
  readonly #socket: WebSocket;
  /** Directions that were ended in order. What the guest sent before may still wait for its reader. */
  #theirs = false;
  #ours = false;

  constructor(socket: WebSocket) {
    super({ allowHalfOpen: true, readableHighWaterMark: WINDOW, writableHighWaterMark: WINDOW });
    this.#socket = socket;
    this.connected = this.#connected.promise;
    this.connected.catch(() => {}); // told by the stream's error, too
    this.on("error", () => {}); // its readers and writers are told; nobody has to listen for it
    socket.on("message", (data, binary) => this.#receive(data, binary));
    socket.on("error", (error) => this.destroy(connectionError(error) as Error));
    socket.on("close", () => {
      if (!this.#over) this.destroy(BangerError.of("daemon_connection_lost", {}));
    });
    socket.resume();
  }

  override _read(): void {
    if (this.#socket.isPaused) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    for (let at = 0; at < chunk.length; at += PIECE) {
      const last = at + PIECE >= chunk.length;
      this.#socket.send(chunk.subarray(at, at + PIECE), last ? done : undefined);
    }
    if (chunk.length === 0) done();
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#ours = true;
    this.#socket.send(JSON.stringify({ type: "eof" } satisfies ConnectClientMessage), done);
  }

  get #over(): boolean {
    return this.#theirs && this.#ours;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#connected.reject(error ?? BangerError.of("operation_cancelled", { what: "the connection" }));
    this.#socket.resume(); // the answer to the close must be read
    if (this.#over) this.#socket.close(1000);
    else this.#socket.terminate();
    done(error);
  }

  #receive(bytes: Buffer, binary: boolean): void {
    if (this.destroyed) return;
    if (binary) {
      if (!this.push(bytes)) this.#socket.pause();
      return;
    }
    const message = JSON.parse(bytes.toString("utf8")) as ConnectServerMessage;
    if (message.type === "connected") this.#connected.resolve();
    else if (message.type === "eof") {
      this.#theirs = true;
      this.push(null);
    } else this.destroy(BangerError.fromBody(message.error as ErrorBody));
  }
}
