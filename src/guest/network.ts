/** Connections into the guest, and what listens there. */
import type { Duplex } from "node:stream";
import { BangerError } from "../core/errors.ts";
import { ChannelDuplex } from "./channels.ts";
import type { WireListener } from "./operations.ts";
import type { GuestSession, RequestOptions } from "./session.ts";

/** A socket in the guest that accepts connections or datagrams. `pid` 0 = not known. */
export type Listener = WireListener;

/**
 * Connects to a TCP port in the guest (default host: 127.0.0.1, then ::1). Half close works in both directions.
 * Aborting `options.signal` destroys the connection, also later. @throws guest_refused (nothing listens)
 */
export async function connectPort(
  session: GuestSession,
  port: number,
  options: RequestOptions & { readonly host?: string } = {},
): Promise<Duplex> {
  const stream = session.open(
    "connect",
    { port, host: options.host },
    {
      eof: () => stream.inflow(1).close(null),
      end: () => stream.inflow(1).close(reset(port)), // counts only when no EOF came before
    },
    options,
  );
  await stream.response;
  return new ChannelDuplex(stream.inflow(1), stream.outflow, () => stream.cancel());
}

/** What listens in the guest. */
export async function listListeners(
  session: GuestSession,
  options: RequestOptions = {},
): Promise<readonly Listener[]> {
  return (await session.request("listeners", {}, options)).listeners;
}

function reset(port: number): BangerError {
  return BangerError.of("guest_refused", {
    problem: `the connection to port ${port} was reset`,
    hint: "the service in the guest closed it; its log may tell why",
  });
}
