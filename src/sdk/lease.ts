/** A lease: what is made under it does not outlive this process, however it ends. */
import { BangerError } from "../core/errors.ts";
import type { Transport } from "./transport.ts";

export interface Lease extends AsyncDisposable {
  readonly id: string;
  /** Ends the lease: a creation under way is undone, an auto-remove VM is deleted. */
  close(): void;
}

/** Opens a lease. It ends with the connection, so also when this process is killed. */
export async function openLease(transport: Transport): Promise<Lease> {
  const webSocket = await transport.webSocket("/v1/lease");
  const id = await new Promise<string>((resolve, reject) => {
    const lost = () => reject(BangerError.of("daemon_connection_lost", {}));
    webSocket.once("close", lost);
    webSocket.once("message", (data) => {
      webSocket.off("close", lost);
      const message = JSON.parse(String(data)) as { lease?: unknown };
      if (typeof message.lease === "string") resolve(message.lease);
      else reject(BangerError.of("internal", { problem: "the daemon's lease has no id" }));
    });
    webSocket.resume();
  });
  webSocket.on("error", () => {}); // its end is what counts, and the next request tells
  const close = () => webSocket.close();
  return { id, close, [Symbol.asyncDispose]: async () => close() };
}
