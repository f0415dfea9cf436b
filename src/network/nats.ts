/** NAT of all VMs that have it: started, followed, started again when it ends by itself, ended with the VM. */
import type { RateLimit } from "../core/rate-limit.ts";
import { Turns } from "../core/turns.ts";
import { adoptNat, endNat, type Nat, startNat } from "./nat.ts";

/** How often it is started again within a minute before that is given up. */
const RESTARTS = 3;
const MINUTE = 60_000;

export interface NatSurroundings {
  /** The folder that the VM's monitor works in. */
  folderOf(id: string): string;
  /** The program that has the network guard. */
  guard(): Promise<string>;
  warn(facts: object, message: string): void;
}

interface Running {
  readonly rate: RateLimit | null;
  readonly restarts: number[];
  problem: string | null;
}

export class Nats {
  readonly #surroundings: NatSurroundings;
  readonly #running = new Map<string, Running>();
  /** For each VM: all of it works on the same files. */
  readonly #turns = new Turns();

  constructor(surroundings: NatSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Gives a VM its way out. @returns what is wrong with it, or null; when something is, it has none */
  async start(id: string, rate: RateLimit | null): Promise<string | null> {
    const running: Running = { rate, restarts: [], problem: null };
    this.#running.set(id, running);
    await this.#turns.run(id, () => this.#begin(id, running));
    return running.problem;
  }

  /** Goes on with what a former daemon started, or starts it anew. */
  async restore(id: string, rate: RateLimit | null): Promise<void> {
    const found = await this.#turns.run(id, () => adoptNat(this.#surroundings.folderOf(id)));
    if (!found) return void (await this.start(id, rate));
    const running: Running = { rate, restarts: [], problem: null };
    this.#running.set(id, running);
    this.#follow(id, running, found);
  }

  /** Takes a VM its way out, also one that only its folder knows of. */
  async stop(id: string): Promise<void> {
    this.#running.delete(id);
    await this.#turns.run(id, () => endNat(this.#surroundings.folderOf(id)));
  }

  /** Why a VM that should have a way out has none; null when it has one. */
  problem(id: string): string | null {
    return this.#running.get(id)?.problem ?? null;
  }

  async #begin(id: string, running: Running): Promise<void> {
    if (this.#running.get(id) !== running) return; // stopped before its turn came
    try {
      const guard = await this.#surroundings.guard();
      const nat = await startNat(this.#surroundings.folderOf(id), guard, running.rate);
      running.problem = null;
      this.#follow(id, running, nat);
    } catch (error) {
      running.problem = (error as Error).message;
      this.#surroundings.warn({ vm: id, problem: running.problem }, "a VM has no way out");
    }
  }

  #follow(id: string, running: Running, nat: Nat): void {
    void nat.ended.then(async () => {
      if (this.#running.get(id) !== running) return;
      const now = Date.now();
      running.restarts.splice(0, running.restarts.findLastIndex((at) => at < now - MINUTE) + 1);
      this.#surroundings.warn(
        { vm: id, restarts: running.restarts.length },
        "a VM's way out ended by itself",
      );
      running.problem = "it ended by itself, again and again; banger vm set --nat off and on starts it anew";
      if (running.restarts.push(now) <= RESTARTS) await this.#turns.run(id, () => this.#begin(id, running));
    });
  }
}
