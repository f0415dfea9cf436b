/** A running QEMU, started by this daemon or found again. */

import type { FileHandle } from "node:fs/promises";
import type { Socket } from "node:net";
import { join } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { BangerError } from "../../core/errors.ts";
import type { KillSignal } from "../../core/signals.ts";
import { killProcess, residentBytes, signalInnermost } from "../../host/processes.ts";
import { connectForeign } from "../../host/unix-socket.ts";
import type { Machine, MachineExit, MachineHandle } from "../driver.ts";
import { removeEndpoints } from "../monitor-process.ts";
import { AGENT_PORT, MEMORY_FILE, type MemoryPlace, SOCKETS } from "./arguments.ts";
import { openMemoryFile } from "./memory-file.ts";
import { Qmp } from "./qmp.ts";
import { loadMachine, saveMachine, saveStream } from "./state-file.ts";

/** A monitor greets at once, unless it hangs or is stopped. */
const ANSWER_MS = 10_000;

/** Connects to the sockets in the machine's folder; rejects with the system's error when they do not answer in time. */
export async function connectMachine(
  handle: MachineHandle,
  memory: MemoryPlace = "own",
): Promise<QemuMachine> {
  const at = (name: string) => join(handle.directory, name);
  const console = await connectForeign(at(SOCKETS.console));
  try {
    const control = await connectForeign(at(SOCKETS.qmp));
    const late = setTimeout(() => control.destroy(), ANSWER_MS);
    const qmp = await Qmp.open(control).finally(() => clearTimeout(late));
    return new QemuMachine(handle, qmp, console, memory);
  } catch (error) {
    console.destroy();
    throw error;
  }
}

export class QemuMachine implements Machine {
  readonly handle: MachineHandle;
  readonly console: Readable;
  readonly exited: Promise<MachineExit>;
  readonly #qmp: Qmp;
  readonly #gone: Promise<void>;
  readonly #memory: MemoryPlace;
  #agent: Socket | null = null;
  #killed = false;

  constructor(handle: MachineHandle, qmp: Qmp, console: Socket, memory: MemoryPlace) {
    this.handle = handle;
    this.console = console;
    this.#qmp = qmp;
    this.#memory = memory;
    // The channel itself stays open when the agent is gone: without this, whoever waits for an answer waits forever.
    qmp.onPort = (id, open) => {
      if (id === AGENT_PORT && !open) this.#agent?.destroy();
    };
    // A monitor that is killed leaves its sockets.
    this.#gone = qmp.closed.then(() => removeEndpoints(handle.directory)).catch(() => {});
    this.exited = this.#gone.then(() => this.#explain());
  }

  async connectAgent(): Promise<Duplex> {
    try {
      this.#agent = await connectForeign(join(this.handle.directory, SOCKETS.agent));
      return this.#agent;
    } catch (error) {
      throw BangerError.of("guest_unreachable", { reason: (error as Error).message }, { cause: error });
    }
  }

  answers(): Promise<boolean> {
    return this.#qmp.execute("query-status").then(
      () => true,
      () => false,
    );
  }

  async kill(): Promise<void> {
    this.#killed = true;
    killProcess(this.handle); // its disks are files of the host's, which has all that it wrote: there is nothing to end in order
    await this.#gone;
  }

  signal(signal: KillSignal): void {
    signalInnermost(this.handle, `SIG${signal}`);
  }

  pause(): Promise<void> {
    return this.#ask("pause the VM", () => this.#qmp.execute("stop"));
  }

  resume(): Promise<void> {
    return this.#ask("resume the VM", () => this.#qmp.execute("cont"));
  }

  saveState(folder: string, signal: AbortSignal, without?: "memory"): Promise<void> {
    const { directory } = this.handle;
    return this.#ask("save the VM's state", () =>
      without ? saveStream(this.#qmp, directory, true, folder, signal) : this.#saveAll(folder, signal),
    );
  }

  async #saveAll(folder: string, signal: AbortSignal): Promise<void> {
    const { directory } = this.handle;
    const opened = await this.openMemory();
    try {
      const own = this.#memory === "folder" ? join(directory, MEMORY_FILE) : undefined;
      const memory = opened ? `/proc/${process.pid}/fd/${opened.fd}` : own;
      await saveMachine(this.#qmp, { directory, memory }, folder, signal);
    } finally {
      await opened?.close();
    }
  }

  /** What lies in a file may be more than is resident: who went on from a saved state has not looked at all of it yet. */
  async stateBytes(): Promise<number> {
    const memory = await this.openMemory();
    if (memory === null) return this.residentBytes();
    const { blocks } = await memory.stat().finally(() => memory.close());
    return blocks * 512;
  }

  async openMemory(): Promise<FileHandle | null> {
    return this.#memory === "folder" ? null : openMemoryFile(this.handle);
  }

  /** For a QEMU that waits for a saved state, see `loadMachine`. */
  loadState(): Promise<void> {
    return this.#ask("load the saved state", () => loadMachine(this.#qmp, this.#memory === "inherited"));
  }

  stateDiskResized(bytes: number): Promise<void> {
    return this.#ask("resize the disk", () =>
      this.#qmp.execute("block_resize", { device: "state", size: bytes }),
    );
  }

  async #ask(what: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof BangerError) throw error; // not of QEMU's making
      const fix = "banger vm logs shows the guest's console; vmm.log in the VM's folder is QEMU's own log";
      const reason = (error as Error).message;
      throw BangerError.of("driver_failed", { driver: "QEMU", what, reason, fix }, { cause: error });
    }
  }

  async residentBytes(): Promise<number> {
    return residentBytes(this.handle.pid);
  }

  #explain(): MachineExit {
    const reason = this.#qmp.shutdownReason;
    if (this.#killed) return { expected: true, reason: "ended by banger" };
    if (reason === "guest-shutdown") return { expected: true, reason: "the guest powered itself off" };
    if (reason === "guest-reset") return { expected: true, reason: "the guest rebooted" };
    if (reason === "guest-panic") return { expected: false, reason: "the guest's kernel panicked" };
    if (reason) return { expected: false, reason: `QEMU ended: ${reason}` };
    return { expected: false, reason: "QEMU was killed or crashed" };
  }
}
