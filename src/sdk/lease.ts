/** A lease: what is made under it does not outlive this process, however it ends. */
import { BangerError } from "../core/errors.ts";
import { parseEvents } from "./events.ts";
import type { Transport } from "./transport.ts";

export interface Lease extends AsyncDisposable {
  readonly id: string;
  /** Ends the lease: a creation under way is undone, an auto-remove VM is deleted. */
  close(): void;
}

/** Opens a lease. It ends with the connection, so also when this process is killed. */
export async function openLease(transport: Transport): Promise<Lease> {
  const reply = await transport.open("/v1/lease");
  const { value } = await parseEvents(reply).next();
  const id = (value as { lease?: unknown } | undefined)?.lease;
  if (typeof id !== "string") throw BangerError.of("daemon_connection_lost", {});
  reply.on("error", () => {}); // its end is what counts, and the next request tells
  const close = () => void reply.destroy();
  return { id, close, [Symbol.asyncDispose]: async () => close() };
}
