/**
 * When running VMs are to be stopped: `--ttl` after their start, and `auto_stop_after` of being idle. Idle is a VM into which
 * no stream of use is open (src/guest/use.ts): no command, no file transfer, no connection; processes that run on in the
 * guest by themselves do not count. A paused VM's lifetime goes on, and it is not idle. One timer waits for the next deadline of all; nothing wakes up in between.
 */
import type { VmRecord, VmRepository } from "../store/vms.ts";

export type Why = "ttl" | "idle";

export interface Deadline {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly why: Why;
}

/** The earlier of a VM's deadlines; null when it has none as things are. Pure. @param autoStopMs 0 = never */
export function deadlineOf(
  vm: Pick<VmRecord, "state" | "startedAt" | "ttlMs" | "idleSince">,
  autoStopMs: number,
): Deadline | null {
  if (vm.state !== "running" && vm.state !== "paused") return null;
  const ttl = vm.ttlMs !== null && vm.startedAt !== null ? vm.startedAt + vm.ttlMs : Number.POSITIVE_INFINITY;
  const countsIdle = autoStopMs > 0 && vm.state === "running";
  const idle = countsIdle && vm.idleSince !== null ? vm.idleSince + autoStopMs : Number.POSITIVE_INFINITY;
  const at = Math.min(ttl, idle);
  return Number.isFinite(at) ? { at, why: ttl <= idle ? "ttl" : "idle" } : null;
}

/** The longest that a timer can wait. */
const MAX_WAIT_MS = 2 ** 31 - 1;
/** A VM that could not be stopped when it was due (something else was done with it) is tried again after this. */
const AGAIN_MS = 60_000;

type Records = Pick<VmRepository, "list" | "get" | "update">;

export class Deadlines {
  readonly #vms: Records;
  readonly #autoStopMs: () => number;
  readonly #tried = new Map<string, number>();
  #end: ((vm: VmRecord, why: Why) => void) | null = null;
  #timer: NodeJS.Timeout | undefined;

  /** @param autoStopMs what `auto_stop_after` says now */
  constructor(vms: Records, autoStopMs: () => number) {
    this.#vms = vms;
    this.#autoStopMs = autoStopMs;
  }

  /**
   * Watches from now on; what was due while nobody watched is ended at once. A VM that was in use when its daemon died has
   * been idle since we know not when, so it counts from now.
   * @param end called for each VM that is due; must not throw
   */
  begin(end: (vm: VmRecord, why: Why) => void): void {
    this.#end = end;
    for (const vm of this.#vms.list())
      if (vm.state === "running" && vm.idleSince === null) this.used(vm.id, false);
    this.#arm();
  }

  /** Someone began to use a VM, or the last one stopped doing so. Also called when a VM has come up. */
  used(id: string, inUse: boolean): void {
    if (this.#autoStopMs() > 0) this.#vms.update(id, { idleSince: inUse ? null : Date.now() });
    if (!inUse) this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (!this.#end) return;
    const now = Date.now();
    let next = Number.POSITIVE_INFINITY;
    for (const vm of this.#vms.list()) {
      const deadline = deadlineOf(vm, this.#autoStopMs());
      if (!deadline) continue;
      const at = Math.max(deadline.at, (this.#tried.get(vm.id) ?? Number.NEGATIVE_INFINITY) + AGAIN_MS);
      if (at > now) {
        next = Math.min(next, at);
      } else {
        this.#tried.set(vm.id, now);
        this.#end(vm, deadline.why);
        next = Math.min(next, now + AGAIN_MS);
      }
    }
    if (next !== Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#arm(), Math.min(next - now, MAX_WAIT_MS));
  }
}
