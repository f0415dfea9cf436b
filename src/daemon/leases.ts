/**
 * A lease ties what a client makes to the client's connection: when the connection ends, however it ends, a creation
 * under way is undone and the VMs that were to be removed (--rm) are deleted. This is why `run --rm` leaves nothing
 * behind even when the client is killed.
 */
import { BangerError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";

type CleanUp = () => Promise<void>;

export class Leases {
  readonly #leases = new Map<string, Set<CleanUp>>();

  open(): string {
    const id = newId("ls");
    this.#leases.set(id, new Set());
    return id;
  }

  /** Has `cleanUp` called when the lease ends. @throws invalid_argument when there is no such lease (any more) */
  attach(lease: string, cleanUp: CleanUp): void {
    const cleanUps = this.#leases.get(lease);
    if (!cleanUps) {
      throw BangerError.of("invalid_argument", {
        what: "lease",
        problem: `'${lease}' is not open`,
        accepted: "the id from GET /v1/lease, while that connection is open",
      });
    }
    cleanUps.add(cleanUp);
  }

  /** Ends a lease and waits for its clean-up. */
  async close(lease: string): Promise<void> {
    const cleanUps = this.#leases.get(lease);
    this.#leases.delete(lease);
    await Promise.all([...(cleanUps ?? [])].map((cleanUp) => cleanUp()));
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.#leases.keys()].map((lease) => this.close(lease)));
  }
}
