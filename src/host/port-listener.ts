/** Listening TCP ports of this host for one mapping: on one address, or on both loopback addresses under the same number. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { addressesOf, type PortMapping } from "../core/port-mapping.ts";

/** How often a number that is free on one loopback address may be taken on the other. */
const FREE_TRIES = 20;
/** Of a host without IPv6: it is then the IPv4 loopback alone. */
const NO_SUCH_ADDRESS = ["EADDRNOTAVAIL", "EAFNOSUPPORT"];

export class PortListener {
  /** With the port that was found free, when any was asked for. */
  readonly mapping: PortMapping;
  readonly #servers: readonly Server[];
  readonly #sockets = new Set<Socket>();

  private constructor(mapping: PortMapping, servers: readonly Server[], serve: (socket: Socket) => void) {
    this.mapping = mapping;
    this.#servers = servers;
    for (const server of servers) {
      server.on("connection", (socket: Socket) => {
        this.#sockets.add(socket);
        socket.on("error", () => {}); // followed by close
        socket.once("close", () => this.#sockets.delete(socket));
        serve(socket);
      });
    }
  }

  /**
   * Listens; `serve` gets each connection, paused and with half close.
   * @throws the system's error: EADDRINUSE, EACCES, EADDRNOTAVAIL; nothing listens then
   */
  static async open(mapping: PortMapping, serve: (socket: Socket) => void): Promise<PortListener> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { servers, port } = await listenOnAll(mapping);
        return new PortListener({ ...mapping, hostPort: port }, servers, serve);
      } catch (error) {
        const taken = (error as NodeJS.ErrnoException).code === "EADDRINUSE";
        if (!taken || mapping.hostPort !== 0 || attempt === FREE_TRIES) throw error;
      }
    }
  }

  /** Listens no more and cuts what is open. */
  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

async function listenOnAll({ address, hostPort }: PortMapping): Promise<{ servers: Server[]; port: number }> {
  const servers: Server[] = [];
  let port = hostPort;
  try {
    for (const host of addressesOf({ address })) {
      const server = await listen(host, port).catch((error: NodeJS.ErrnoException) => {
        if (servers.length > 0 && NO_SUCH_ADDRESS.includes(error.code ?? "")) return null;
        throw error;
      });
      if (!server) continue;
      servers.push(server);
      ({ port } = server.address() as AddressInfo);
    }
    return { servers, port };
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
}

function listen(host: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port, ipv6Only: host.includes(":") }, () => {
      server.off("error", reject);
      server.on("error", () => {}); // of accepting, such as too many open files: that connection is lost, the next may do
      resolve(server);
    });
  });
}
