/** One process in the guest, seen from a client: its streams, its end, and what can be done to it. */
import { Readable, Writable } from "node:stream";
import type { ExecAttach, ExecClientMessage, ExecServerMessage, ExecStart } from "../api/exec.ts";
import { BangerError, type ErrorBody } from "../core/errors.ts";
import { MAX_ARGUMENTS, MAX_EXEC_MESSAGE } from "../core/limits.ts";
import type { ExecResult, ExitStatus } from "./exit-status.ts";
import { collect } from "./output.ts";
import { connectionError, type Transport } from "./transport.ts";
import type { WebSocket } from "./web-socket.ts";

export interface Started {
  /** The agent's id of the process, for `attach`. */
  readonly proc: number;
  readonly pid: number;
}

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2 } as const;
/** Data waiting per stream before the connection is paused. */
const WINDOW = 256 * 1024;
/** Input travels in messages of at most this many bytes. */
const INPUT_PIECE = 256 * 1024;

/**
 * A running process. Use the streams and `exited`, or await it as a whole to have its output collected:
 * `const { text, exitCode } = await sandbox.exec(["uname", "-r"])`.
 *
 * Output must be read: while more than 256 KiB wait in `stdout` or `stderr`, nothing more is taken from the process.
 */
export class Execution implements PromiseLike<ExecResult> {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the process runs; rejects with `command_not_found` and the like. */
  readonly started: Promise<Started>;
  /** Resolves with how it ended, after the last output came. Rejects when that cannot be known. */
  readonly exited: Promise<ExitStatus>;
  /** Resolves when the process goes on without us (`detach`). */
  readonly detached: Promise<void>;

  readonly #started = Promise.withResolvers<Started>();
  readonly #exited = Promise.withResolvers<ExitStatus>();
  readonly #detached = Promise.withResolvers<void>();
  readonly #full = new Set<Readable>();
  #socket: WebSocket | undefined;
  #over = false;
  #collected: Promise<ExecResult> | undefined;

  constructor(transport: Transport, path: string, first: ExecStart | ExecAttach, signal?: AbortSignal) {
    this.started = this.#started.promise;
    this.exited = this.#exited.promise;
    this.detached = this.#detached.promise;
    // Who awaits only one of them must not be killed by the others' rejection.
    for (const promise of [this.started, this.exited, this.detached]) promise.catch(() => {});
    this.stdout = this.#output();
    this.stderr = this.#output();
    this.stdin = new Writable({
      highWaterMark: WINDOW,
      write: (chunk: Buffer, _encoding, done) => this.#sendInput(chunk, done),
      final: (done) => {
        this.#send({ type: "eof" });
        done();
      },
    }).on("error", () => {}); // writing to a process that is gone is not an error of its own: `exited` tells
    transport.webSocket(path).then(
      (socket) => this.#begin(socket, first, signal),
      (error) => this.#fail(error),
    );
  }

  /** Sends a signal number to the process group. */
  kill(signal = 15): void {
    this.#send({ type: "signal", signal });
  }

  /** Tells the size of the terminal. */
  resize(rows: number, cols: number): void {
    this.#send({ type: "resize", rows, cols });
  }

  /** Leaves the process. Whether it goes on is what `onDisconnect` said when it was started. */
  close(): void {
    this.#fail(BangerError.of("operation_cancelled", { what: "the command" }));
    this.#socket?.terminate();
  }

  /** Reads both outputs to their end and waits for it. @throws when either is larger than `limit` (16 MiB), and what `exited` rejects with */
  output(options: { readonly limit?: number } = {}): Promise<ExecResult> {
    this.#collected ??= collect(this, options.limit);
    return this.#collected;
  }

  // biome-ignore lint/suspicious/noThenProperty: awaiting an execution collects its output, which is the point
  then<A = ExecResult, B = never>(
    done?: ((result: ExecResult) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.output().then(done, failed);
  }

  #begin(socket: WebSocket, first: ExecStart | ExecAttach, signal: AbortSignal | undefined): void {
    this.#socket = socket;
    const abort = () => {
      this.#fail(signal?.reason);
      socket.terminate();
    };
    if (signal?.aborted || this.#over) {
      abort();
      return;
    }
    signal?.addEventListener("abort", abort, { once: true });
    socket.once("close", () => signal?.removeEventListener("abort", abort));
    socket.on("message", (data, binary) => this.#receive(data, binary));
    socket.on("error", (error) => this.#fail(connectionError(error)));
    socket.on("close", () => this.#fail(BangerError.of("daemon_connection_lost", {})));
    socket.resume();
    const message = JSON.stringify(first);
    if (message.length > MAX_EXEC_MESSAGE) {
      this.#fail(BangerError.of("arguments_too_large", { size: message.length, limit: MAX_ARGUMENTS }));
    } else {
      socket.send(message);
    }
  }

  #receive(bytes: Buffer, binary: boolean): void {
    if (this.#over) return;
    if (binary) {
      const stream = bytes[0] === CHANNEL.stderr ? this.stderr : this.stdout;
      if (stream.push(bytes.subarray(1))) return;
      this.#full.add(stream);
      this.#socket?.pause();
      return;
    }
    const message = JSON.parse(bytes.toString("utf8")) as ExecServerMessage;
    if (message.type === "started") this.#started.resolve({ proc: message.proc, pid: message.pid });
    else if (message.type === "error") this.#fail(BangerError.fromBody(message.error as ErrorBody));
    else if (message.type === "detached") {
      this.#detached.resolve();
      this.#fail(BangerError.of("operation_cancelled", { what: "following the command" }));
    } else {
      const { code, signal, timed_out } = message;
      this.#end(() => this.#exited.resolve({ code, signal, timedOut: timed_out }));
      this.#detached.reject(new Error("the process ended"));
    }
  }

  #end(settle: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.stdout.push(null);
    this.stderr.push(null);
    settle();
    this.stdin.destroy();
    this.#socket?.resume(); // the answer to the close must be read
    this.#socket?.close();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#started.reject(error);
    this.#detached.reject(error);
    this.#end(() => this.#exited.reject(error));
  }

  /** An output stream. While one of the two is full nothing is taken from the process; each asks for more when it was read. */
  #output(): Readable {
    const stream: Readable = new Readable({
      highWaterMark: WINDOW,
      // The stream's length says nothing here: bytes that are just being read are still in it.
      read: () => {
        this.#full.delete(stream);
        if (this.#full.size === 0 && this.#socket?.isPaused) this.#socket.resume();
      },
    });
    return stream;
  }

  #sendInput(chunk: Buffer, done: (error?: Error | null) => void): void {
    this.#whenStarted((socket) => {
      for (let at = 0; at < chunk.length; at += INPUT_PIECE) {
        const piece = chunk.subarray(at, at + INPUT_PIECE);
        const message = Buffer.allocUnsafe(piece.length + 1);
        message[0] = CHANNEL.stdin;
        piece.copy(message, 1);
        const last = at + INPUT_PIECE >= chunk.length;
        socket.send(message, last ? () => done() : undefined);
      }
    }, done);
  }

  #send(message: ExecClientMessage): void {
    this.#whenStarted((socket) => socket.send(JSON.stringify(message)));
  }

  /** Nothing follows the first message before the daemon has answered it. When the process is over, nothing is sent. */
  #whenStarted(use: (socket: WebSocket) => void, otherwise: () => void = () => {}): void {
    this.started.then(() => {
      if (this.#over || !this.#socket) otherwise();
      else use(this.#socket);
    }, otherwise);
  }
}
