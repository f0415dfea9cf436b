/** Ports of the host that lead into VMs while they run: each connection is carried over the VM's agent, so a guest needs no network for it. */
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { checkDistinct, formatMapping, type PortMapping } from "../core/port-mapping.ts";
import { portFailure } from "../host/port-failure.ts";
import { PortListener } from "../host/port-listener.ts";
import { relay, reset } from "../host/relay.ts";

/** Connections at a time into one VM. The agent has 1024 streams, and commands need some. */
const MAX_CONNECTIONS = 512;

/** A mapping as it is: `problem` tells why nobody listens there. */
export interface PublishedPort extends PortMapping {
  readonly problem: string | null;
}

export interface Surroundings {
  /** Connects to a TCP port in the VM's guest. */
  connect(id: string, port: number): Promise<Duplex>;
  nameOf(id: string): string | undefined;
  warn(facts: object, message: string): void;
}

interface Open {
  readonly listeners: PortListener[];
  readonly problems: Map<PortMapping, string>;
  connections: number;
}

export class PublishedPorts {
  readonly #surroundings: Surroundings;
  readonly #open = new Map<string, Open>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /**
   * Listens for a VM; when it does already, nothing happens.
   * @returns the mappings, each with its port @throws port_unavailable | invalid_argument; nothing listens then
   */
  async open(id: string, mappings: readonly PortMapping[]): Promise<readonly PortMapping[]> {
    const present = this.#open.get(id);
    if (present) return present.listeners.map((listener) => listener.mapping);
    checkDistinct(mappings, "publish");
    const opened = this.#begin(id);
    try {
      for (const mapping of mappings) await this.#listen(id, opened, mapping);
      return opened.listeners.map((listener) => listener.mapping);
    } catch (error) {
      this.close(id);
      throw error;
    }
  }

  /** Listens for a VM that has run on without us. A port that somebody took meanwhile is told by `describe` and the log. */
  async restore(id: string, mappings: readonly PortMapping[]): Promise<void> {
    const opened = this.#begin(id);
    for (const mapping of mappings) {
      await this.#listen(id, opened, mapping).catch((error: Error) => {
        opened.problems.set(mapping, error.message);
        this.#surroundings.warn({ vm: id, problem: error.message }, "a published port was not restored");
      });
    }
  }

  /** Mappings of a VM with what is wrong with them. */
  describe(id: string, mappings: readonly PortMapping[]): PublishedPort[] {
    const problems = [...(this.#open.get(id)?.problems ?? [])];
    return mappings.map((mapping) => {
      const found = problems.find(([other]) => formatMapping(other) === formatMapping(mapping));
      return { ...mapping, problem: found?.[1] ?? null };
    });
  }

  /** Ends listening and connections. */
  close(id: string): void {
    for (const listener of this.#open.get(id)?.listeners ?? []) listener.close();
    this.#open.delete(id);
  }

  #begin(id: string): Open {
    const opened: Open = { listeners: [], problems: new Map(), connections: 0 };
    this.#open.set(id, opened);
    return opened;
  }

  async #listen(id: string, opened: Open, mapping: PortMapping): Promise<void> {
    const serve = (socket: Socket) => void this.#serve(id, opened, mapping, socket);
    try {
      opened.listeners.push(await PortListener.open(mapping, serve));
    } catch (error) {
      throw portFailure(mapping, error as NodeJS.ErrnoException, this.#holder(mapping));
    }
  }

  async #serve(id: string, opened: Open, mapping: PortMapping, socket: Socket): Promise<void> {
    if (opened.connections === MAX_CONNECTIONS) {
      reset(socket);
      return;
    }
    opened.connections++;
    try {
      const guest = await this.#surroundings.connect(id, mapping.guestPort);
      if (socket.destroyed) guest.destroy();
      else await relay(socket, guest);
    } catch {
      reset(socket); // nobody listens in the guest, or it has no agent: as if nobody listened here
    } finally {
      opened.connections--;
    }
  }

  #holder(mapping: PortMapping): string | undefined {
    for (const [id, { listeners }] of this.#open) {
      if (listeners.some((listener) => listener.mapping.hostPort === mapping.hostPort)) {
        return this.#surroundings.nameOf(id);
      }
    }
    return undefined;
  }
}
