/** Server-sent events on a Fastify reply. */
import type { FastifyReply } from "fastify";

export interface EventSink {
  send(event: unknown): void;
  end(): void;
  /** Aborted when the client goes away or after `end`. */
  readonly closed: AbortSignal;
}

/** Takes the reply over. A client that reads too slowly is cut off rather than buffered without bound. */
export function openEventSink(reply: FastifyReply): EventSink {
  const closed = new AbortController();
  reply.hijack();
  reply.raw.on("error", () => {}); // followed by close
  reply.raw.once("close", () => closed.abort());
  reply.raw.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
  reply.raw.flushHeaders();
  return {
    closed: closed.signal,
    send(event) {
      if (reply.raw.writableLength > MAX_BUFFERED) reply.raw.destroy();
      else reply.raw.write(`data: ${JSON.stringify(event)}\n\n`);
    },
    end() {
      reply.raw.end();
    },
  };
}

const MAX_BUFFERED = 4 * 1024 * 1024;
