/** Ports of this host that lead into a guest while this process runs. */
import { asBangerError, BangerError } from "../core/errors.ts";
import type { PortMapping } from "../core/port-mapping.ts";
import { portFailure } from "../host/port-failure.ts";
import { PortListener } from "../host/port-listener.ts";
import { relay, reset } from "../host/relay.ts";
import { connectPort } from "./connect-port.ts";
import type { Transport } from "./transport.ts";

export interface ForwardOptions {
  /** An IP address of this host; by default both loopback addresses. */
  readonly address?: string | null;
  /** 0 or absent: a free one. */
  readonly hostPort?: number;
  readonly guestPort: number;
  /** Told of each connection that could not be made in the guest or broke off. */
  readonly onError?: (error: BangerError) => void;
}

/** A port of this host that leads into a guest until it is closed or this process ends. */
export interface Forward extends AsyncDisposable {
  readonly mapping: PortMapping;
  /** Listens no more and cuts what is open. */
  close(): void;
}

/** Listens on this host and carries each connection to the guest. @throws port_unavailable */
export async function forwardPort(
  transport: Transport,
  vmPath: string,
  { address = null, hostPort = 0, guestPort, onError = () => {} }: ForwardOptions,
): Promise<Forward> {
  const mapping = { address, hostPort, guestPort };
  const listener = await PortListener.open(mapping, (socket) => {
    connectPort(transport, vmPath, guestPort)
      .then((guest) => relay(socket, guest))
      // What a client of this port does to its own connection is no concern of ours.
      .then((failure) => failure instanceof BangerError && onError(failure))
      .catch((error: unknown) => {
        reset(socket);
        onError(asBangerError(error));
      });
  }).catch((error: NodeJS.ErrnoException) => {
    throw portFailure(mapping, error);
  });
  const close = () => listener.close();
  return { mapping: listener.mapping, close, [Symbol.asyncDispose]: async () => close() };
}
