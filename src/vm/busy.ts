/** At most one operation per VM at a time; different VMs never wait for each other. */
import { BangerError } from "../core/errors.ts";

export class BusyVms {
  readonly #busy = new Map<string, { operation: string; done: Promise<unknown> }>();

  /** Runs `work` while holding the VM. @throws vm_busy when another operation holds it */
  async hold<T>(vm: { id: string; name: string }, operation: string, work: () => Promise<T>): Promise<T> {
    const holder = this.#busy.get(vm.id);
    if (holder) throw BangerError.of("vm_busy", { name: vm.name, operation: holder.operation });
    const result = work();
    this.#busy.set(vm.id, { operation, done: result.catch(() => {}) });
    try {
      return await result;
    } finally {
      this.#busy.delete(vm.id);
    }
  }

  /** Resolves when the operation that holds the VM now, if any, has ended. */
  async idle(id: string): Promise<void> {
    await this.#busy.get(id)?.done;
  }
}
