/**
 * HTTP/1.1 over one connection to Firecracker's API socket. Requests are pipelined: Firecracker answers in order, so a
 * start costs one round trip instead of ten. The connection is also how its end is noticed.
 */
import type { Socket } from "node:net";

/** Firecracker's answers are short; a snapshot's or a configuration's fits by far. */
const MAX_ANSWER = 1024 * 1024;
const MAX_HEAD = 16 * 1024;

export interface Answer {
  readonly status: number;
  readonly body: string;
}

export class ApiConnection {
  /** Resolves when the connection ends. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #waiting: PromiseWithResolvers<Answer>[] = [];
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#receive(chunk));
    socket.on("error", () => {}); // followed by close
    this.closed = new Promise((resolve) =>
      socket.once("close", () => {
        for (const { reject } of this.#waiting.splice(0)) reject(new Error("Firecracker ended"));
        resolve();
      }),
    );
  }

  /** Sends a request without waiting for the answers to earlier ones. Rejects when the connection ends before its answer. */
  request(method: string, path: string, body?: unknown): Promise<Answer> {
    const waiting = Promise.withResolvers<Answer>();
    if (this.#socket.destroyed) {
      waiting.reject(new Error("Firecracker ended"));
      return waiting.promise;
    }
    this.#waiting.push(waiting);
    const content = body === undefined ? "" : JSON.stringify(body);
    const head = [
      `${method} ${path} HTTP/1.1`,
      "Host: localhost",
      "Accept: application/json",
      ...(content ? ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(content)}`] : []),
    ];
    this.#socket.cork(); // what is asked for in one turn goes out in one piece
    this.#socket.write(`${head.join("\r\n")}\r\n\r\n${content}`);
    process.nextTick(() => this.#socket.uncork());
    return waiting.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const answer = parseAnswer(this.#received);
      if (answer === "more") return;
      const waiting = answer === "broken" ? undefined : this.#waiting.shift();
      if (answer === "broken" || !waiting) {
        this.#socket.destroy(); // not HTTP, or an answer to nothing
        return;
      }
      this.#received = this.#received.subarray(answer.length);
      waiting.resolve(answer);
    }
  }
}

/** Pure. The first answer of what was received. */
export function parseAnswer(received: Buffer): (Answer & { readonly length: number }) | "more" | "broken" {
  const end = received.subarray(0, MAX_HEAD).indexOf("\r\n\r\n");
  if (end < 0) return received.length >= MAX_HEAD ? "broken" : "more";
  const head = received.toString("latin1", 0, end);
  const status = /^HTTP\/1\.[01] (\d{3}) /.exec(`${head} `)?.[1];
  const size = Number(/^content-length:\s*(\d{1,9})\s*$/im.exec(head)?.[1] ?? 0);
  if (status === undefined || size > MAX_ANSWER || /^transfer-encoding:/im.test(head)) return "broken";
  const length = end + 4 + size;
  if (received.length < length) return "more";
  return { status: Number(status), body: received.toString("utf8", end + 4, length), length };
}
