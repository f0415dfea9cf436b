/** Bytes of a stream on their way to a client's WebSocket. */
import type { Readable } from "node:stream";
import type { WebSocket } from "@fastify/websocket";

/** On its way to the client; more waits in the guest. */
const MAX_IN_FLIGHT = 512 * 1024;

/**
 * Sends a stream's bytes, each piece as the message that `wrap` makes of it; reads on only while little enough is under way.
 * Resolves at the stream's end. @throws what the stream fails with
 */
export function pump(
  socket: WebSocket,
  source: Readable,
  wrap: (chunk: Buffer) => Buffer = (chunk) => chunk,
): Promise<void> {
  let inFlight = 0;
  source.on("data", (chunk: Buffer) => {
    if (socket.readyState !== socket.OPEN) return;
    const message = wrap(chunk);
    inFlight += message.length;
    if (inFlight > MAX_IN_FLIGHT) source.pause();
    socket.send(message, { binary: true }, () => {
      inFlight -= message.length;
      if (inFlight <= MAX_IN_FLIGHT / 2) source.resume();
    });
  });
  return new Promise((resolve, reject) => {
    source.once("end", resolve);
    source.once("error", reject);
    source.once("close", resolve);
  });
}
