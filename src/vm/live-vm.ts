/** A VM whose monitor runs: its machine, its agent session (re-opened when it was cut), its console log. */
import { BangerError } from "../core/errors.ts";
import type { KillSignal } from "../core/signals.ts";
import { type GuestSession, openGuest } from "../guest/index.ts";
import type { Machine, MachineExit } from "../vmm/driver.ts";
import type { ConsoleLog } from "./console-log.ts";

/** How long a running agent may take to answer a new session. Generous: software emulation on a busy host is slow. */
const RECONNECT_MS = 20_000;

export class LiveVm {
  readonly id: string;
  readonly machine: Machine;
  readonly console: ConsoleLog;
  /** Set when banger itself ends the machine, so that its end is not recorded as a death. */
  ending = false;
  /** The signal that the user had it killed with. */
  killedWith: KillSignal | null = null;
  /** Called once when it is no longer live, however that came. */
  onRemoved: () => void = () => {};
  /** Called when somebody begins to use the guest, and when the last one has ended. */
  onUse: (inUse: boolean) => void = () => {};
  #session: Promise<GuestSession> | null = null;
  #inUse = false;

  constructor(id: string, machine: Machine, console: ConsoleLog) {
    this.id = id;
    this.machine = machine;
    this.console = console;
    this.console.record(machine.console);
  }

  /** Whether somebody uses the guest now. */
  get inUse(): boolean {
    return this.#inUse;
  }

  /** Resolves once the monitor is gone, with why; never rejects. */
  get exited(): Promise<MachineExit> {
    return this.machine.exited.then((exit) => {
      if (this.killedWith === null) return exit;
      return { expected: true, reason: `killed with SIG${this.killedWith}` };
    });
  }

  /** The agent session, opened when needed. @throws guest_unreachable | guest_protocol | agent_version */
  guest(): Promise<GuestSession> {
    this.#session ??= this.open(AbortSignal.timeout(RECONNECT_MS));
    return this.#session;
  }

  /**
   * Opens the session with a limit of the caller's.
   * @param idle for the first session of a boot, or of a copy whose former ones had ended in order: see `OpenOptions`
   */
  open(signal: AbortSignal, idle = false): Promise<GuestSession> {
    const session = this.#open(signal, idle);
    this.#session = session;
    session.then(
      (opened) => {
        opened.onUse = (streams) => this.#use(streams);
        void opened.closed.then(() => this.#forget(session));
      },
      () => this.#forget(session),
    );
    return session;
  }

  async #open(signal: AbortSignal, idle: boolean): Promise<GuestSession> {
    const channel = await this.machine.connectAgent(signal).catch(async (error: unknown) => {
      throw signal.aborted ? error : await this.explain(error);
    });
    const gone = this.exited.then((exit) => {
      throw BangerError.of("guest_unreachable", { reason: exit.reason });
    });
    gone.catch(() => {}); // only the race below cares
    try {
      return await Promise.race([openGuest(channel, { signal, idle }), gone]);
    } catch (error) {
      channel.destroy();
      throw signal.aborted ? error : await this.explain(error);
    }
  }

  /**
   * Why a conversation with the guest failed: a dying monitor cuts the agent's channel before or after its other
   * connections, and its end is what there is to tell.
   */
  async explain(error: unknown): Promise<unknown> {
    if (await this.machine.answers()) return error;
    return BangerError.of("guest_unreachable", { reason: (await this.exited).reason }, { cause: error });
  }

  #use(streams: number): void {
    const inUse = streams > 0;
    if (inUse !== this.#inUse) this.onUse(inUse);
    this.#inUse = inUse;
  }

  #forget(session: Promise<GuestSession>): void {
    if (this.#session === session) this.#session = null;
  }

  /** Ends the monitor and forgets the session. */
  async kill(): Promise<void> {
    this.ending = true;
    await this.machine.kill();
  }
}

/** The VMs that run now. */
export class LiveVms {
  readonly #vms = new Map<string, LiveVm>();

  get(id: string): LiveVm | undefined {
    return this.#vms.get(id);
  }

  add(vm: LiveVm): void {
    this.#vms.set(vm.id, vm);
  }

  remove(vm: LiveVm): void {
    if (this.#vms.get(vm.id) !== vm) return;
    this.#vms.delete(vm.id);
    vm.onRemoved();
  }

  all(): LiveVm[] {
    return [...this.#vms.values()];
  }
}
