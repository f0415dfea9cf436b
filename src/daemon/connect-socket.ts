/** The connect WebSocket: a TCP connection into the guest on one side, a client on the other (messages: src/api/connect.ts). */
import type { Duplex } from "node:stream";
import type { WebSocket } from "@fastify/websocket";
import { type ConnectServerMessage, connectClientMessage } from "../api/connect.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import { parsePort } from "../core/port.ts";
import { connectPort, type GuestSession } from "../guest/index.ts";
import { pump } from "./pump.ts";

/**
 * Serves one client until both sides have ended the connection, or either is gone.
 * @param port as it stands in the path
 * @param openGuest the agent session; its failure is sent to the client
 */
export async function serveConnection(
  socket: WebSocket,
  port: string,
  openGuest: () => Promise<GuestSession>,
): Promise<void> {
  socket.pause(); // what the client sends early waits until somebody takes it
  try {
    const connection = await connectPort(await openGuest(), parsePort(port, "port"));
    const closed = new Promise((resolve) => connection.once("close", resolve));
    socket.once("close", () => connection.destroy());
    send(socket, { type: "connected" });
    takeFrom(socket, connection);
    await pump(socket, connection);
    send(socket, { type: "eof" });
    await closed;
    socket.close(1000);
  } catch (error) {
    socket.resume(); // the answer to the close must be read
    send(socket, { type: "error", error: asBangerError(error).toBody() });
    socket.close(1011);
  }
}

function takeFrom(socket: WebSocket, connection: Duplex): void {
  for (const event of ["drain", "close"]) connection.on(event, () => socket.resume());
  socket.on("message", (data: Buffer, binary: boolean) => {
    if (binary) {
      if (!connection.writableEnded && !connection.destroyed && !connection.write(data)) socket.pause();
    } else if (isEof(data)) {
      connection.end();
    } else {
      connection.destroy(
        BangerError.of("invalid_request", { problem: "a text message of a connection is not eof" }),
      );
    }
  });
  socket.resume();
}

function isEof(data: Buffer): boolean {
  try {
    return connectClientMessage.safeParse(JSON.parse(data.toString("utf8"))).success;
  } catch {
    return false;
  }
}

function send(socket: WebSocket, message: ConnectServerMessage): void {
  if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(message));
}
