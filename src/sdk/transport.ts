/** HTTP and WebSocket over the daemon's socket, and its errors as BangerErrors. */
import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import { type Duplex, Readable } from "node:stream";
import { FAILURE_TRAILER } from "../api/failure-trailer.ts";
import { BangerError, type ErrorBody } from "../core/errors.ts";
import { MAX_EXEC_MESSAGE } from "../core/limits.ts";
import type { Dial } from "./connect.ts";
import { UPGRADE_HEADERS, WebSocket } from "./web-socket.ts";

// Not `import`: an ES import of node:http evaluates its getters for the WebSocket classes, which loads undici (25 ms).
const http = process.getBuiltinModule("node:http");
/** A name for certificates, of which there are none: Node would look whether the host's is an address, with patterns that take 4 ms. */
const AGENT = { keepAlive: true, servername: "" };
const MAX_JSON = 64 * 1024 * 1024;

export interface Call {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly query?: Record<string, string | number | boolean | undefined>;
  readonly body?: unknown;
  /** A body that is sent as it is, instead of `body`. */
  readonly stream?: Readable;
  readonly signal?: AbortSignal | undefined;
}

/** Percent-encodes one part of a path. */
export const segment = encodeURIComponent;

/** One client's way to the daemon: connections are kept and used again. */
export class Transport {
  readonly #dial: Dial;
  readonly #agent: Agent;

  constructor(dial: Dial) {
    this.#dial = dial;
    this.#agent = new http.Agent(AGENT);
    this.#agent.createConnection = (_options, done) => {
      dial().then(
        (socket) => done?.(null, socket),
        (error: Error) => done?.(error, undefined as unknown as Duplex),
      );
      return undefined;
    };
  }

  /** Sends a request and returns the answer's stream; failed answers are thrown. */
  async open(path: string, call: Call = {}): Promise<IncomingMessage> {
    const payload = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
    call.signal?.throwIfAborted();
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      const request: ClientRequest = http.request({
        agent: this.#agent,
        method: call.method ?? "GET",
        path: withQuery(path, call.query),
        headers: {
          host: "banger",
          ...(payload ? { "content-type": "application/json", "content-length": payload.length } : {}),
          ...(call.stream ? { "content-type": "application/octet-stream" } : {}),
        },
        ...(call.signal ? { signal: call.signal } : {}),
      });
      request.once("response", resolve);
      request.once("error", (error) =>
        reject(call.signal?.aborted ? call.signal.reason : connectionError(error)),
      );
      if (call.stream) {
        // The daemon may refuse before it has read everything; then its answer counts, not the broken pipe.
        call.stream.once("error", (error) => request.destroy(error));
        call.stream.pipe(request);
      } else {
        request.end(payload);
      }
    });
    if ((reply.statusCode ?? 500) < 400) return reply;
    throw await replyError(reply);
  }

  /** A request whose answer is JSON, or nothing. The shape is the contract's, checked by the daemon. */
  async json<T>(path: string, call: Call = {}): Promise<T> {
    const text = (await readAll(await this.open(path, call), MAX_JSON)).toString("utf8");
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** Opens a WebSocket, paused. @throws what the daemon refused it with */
  async webSocket(path: string): Promise<WebSocket> {
    const socket = await this.#dial();
    return await new Promise((resolve, reject) => {
      const headers = { host: "banger", ...UPGRADE_HEADERS };
      const request = http.request({ createConnection: () => socket, path, headers });
      request.once("upgrade", (reply, _socket, head) => {
        try {
          resolve(new WebSocket(reply, socket, head, MAX_EXEC_MESSAGE));
        } catch (error) {
          reject(error);
        }
      });
      request.once("response", (reply) => replyError(reply).then(reject, reject));
      request.once("error", (error) => reject(connectionError(error)));
      request.end();
    });
  }

  /** Sends a request that the daemon answers last of all, and waits until the daemon's end closes the connection. */
  async last(path: string): Promise<void> {
    const reply = await this.open(path, { method: "POST" });
    const { socket } = reply;
    const closed = new Promise((resolve) => socket.once("close", resolve));
    reply.resume();
    await new Promise((resolve) => reply.once("end", resolve));
    socket.ref(); // the agent lets go of a connection that it keeps for later
    if (!socket.destroyed) await closed;
  }

  /** Drops the kept connections. */
  close(): void {
    this.#agent.destroy();
  }
}

function withQuery(path: string, query: Call["query"] = {}): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) parameters.set(name, String(value));
  return parameters.size > 0 ? `${path}?${parameters}` : path;
}

/** An answer with a failure status as the error it describes. */
async function replyError(reply: IncomingMessage): Promise<BangerError> {
  const status = reply.statusCode ?? 500;
  const text = await readAll(reply, MAX_JSON).then(String, () => "");
  try {
    const body = JSON.parse(text) as Partial<ErrorBody>;
    if (typeof body.code === "string" && typeof body.message === "string") {
      return BangerError.fromBody({ hint: "", exit: 1, ...body } as ErrorBody, status);
    }
  } catch {
    // not ours: told below
  }
  return BangerError.of("internal", { problem: `the daemon answered ${status}: ${text.slice(0, 200)}` });
}

/** A reply whose reason for breaking off comes behind it: as the stream's error, after what came before. */
export function untilFailure(reply: IncomingMessage): Readable {
  const content = async function* () {
    yield* reply as AsyncIterable<Buffer>;
    const failure = reply.trailers[FAILURE_TRAILER];
    if (failure) throw BangerError.fromBody(JSON.parse(decodeURIComponent(failure)) as ErrorBody);
  };
  // One piece at a time: a stream that fails drops what it holds.
  return Readable.from(content(), { objectMode: false, highWaterMark: 1 });
}

/** What a broken connection means to the caller. */
export function connectionError(error: unknown): unknown {
  if (error instanceof BangerError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined || !["ECONNRESET", "EPIPE", "ERR_STREAM_PREMATURE_CLOSE"].includes(code))
    return error;
  return BangerError.of("daemon_connection_lost", {}, { cause: error });
}

/** Everything a stream gives, up to `limit` bytes. */
export async function readAll(stream: Readable, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit)
        throw BangerError.of("internal", { problem: `more than ${limit} bytes in an answer` });
      chunks.push(chunk);
    }
  } catch (error) {
    throw connectionError(error);
  }
  return Buffer.concat(chunks, size);
}
