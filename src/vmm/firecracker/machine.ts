/** A running Firecracker, started by this daemon or found again. */
import { join, relative } from "node:path";
import type { Duplex, Readable } from "node:stream";
import { allDone } from "../../core/all-done.ts";
import { BangerError } from "../../core/errors.ts";
import { MIB } from "../../core/units.ts";
import { readFifo } from "../../host/fifo.ts";
import { killProcess, residentBytes, signalInnermost } from "../../host/processes.ts";
import { connectForeign } from "../../host/unix-socket.ts";
import type { Machine, MachineExit, MachineHandle } from "../driver.ts";
import { inOutbox, throughOutbox } from "../jail/jailer.ts";
import { endStrayMonitor, lastWords, removeEndpoints } from "../monitor-process.ts";
import { type Call, call, describe, drivePath, hasNetwork } from "./api.ts";
import { FILES, SAVED } from "./boot.ts";
import { endingOf } from "./ending.ts";
import { ApiConnection } from "./http.ts";
import { connectGuest } from "./vsock.ts";

const KEPT_LOG = 16 * 1024;
/** It answers at once, unless it hangs or is stopped. */
const ANSWER_MS = 10_000;

/** Connects to a Firecracker that was just started; rejects with the system's error when it does not listen (yet). */
export async function connectMachine(handle: MachineHandle): Promise<FirecrackerMachine> {
  return new FirecrackerMachine(handle, await connect(handle));
}

/** Connects to one that was started earlier; rejects when it does not answer in time. */
export async function findMachine(handle: MachineHandle): Promise<FirecrackerMachine> {
  const connection = await connect(handle);
  const late = setTimeout(() => connection.close(), ANSWER_MS);
  try {
    await describe(connection);
    return new FirecrackerMachine(handle, connection);
  } catch (error) {
    connection.close();
    throw error;
  } finally {
    clearTimeout(late);
  }
}

async function connect(handle: MachineHandle): Promise<ApiConnection> {
  return new ApiConnection(await connectForeign(join(insideOf(handle), FILES.api)));
}

/** Where its relative paths begin. */
const insideOf = ({ inside, directory }: MachineHandle): string => inside ?? directory;

export class FirecrackerMachine implements Machine {
  readonly handle: MachineHandle;
  readonly console: Readable;
  readonly exited: Promise<MachineExit>;
  readonly #connection: ApiConnection;
  readonly #consoleClosed: Promise<unknown>;
  readonly #gone = new AbortController();
  #log = "";
  #killed = false;

  constructor(handle: MachineHandle, connection: ApiConnection) {
    this.handle = handle;
    this.#connection = connection;
    this.console = readFifo(join(handle.directory, FILES.console));
    this.#consoleClosed = new Promise((resolve) => this.console.once("close", resolve));
    // Read all the time, so that there is always room for the last words.
    const log = readFifo(join(handle.directory, FILES.log)).on("data", (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString("utf8")).slice(-KEPT_LOG);
    });
    const logged = new Promise((resolve) => log.once("close", resolve));
    this.exited = Promise.all([connection.closed, logged]).then(async () => {
      this.#gone.abort(new Error("Firecracker ended"));
      await removeEndpoints(handle.directory).catch(() => {});
      return this.#explain();
    });
  }

  /** Makes calls, all at once where one does not depend on another. @throws driver_failed of the first that is refused */
  async calls(calls: readonly Call[]): Promise<void> {
    await allDone(calls.map((each) => call(this.#connection, each)));
  }

  /** Whether the guest has a network interface. @throws driver_failed */
  hasNetwork(): Promise<boolean> {
    return hasNetwork(this.#connection);
  }

  async connectAgent(signal?: AbortSignal): Promise<Duplex> {
    try {
      const path = join(insideOf(this.handle), FILES.vsock);
      return await connectGuest(path, this.#gone.signal, signal);
    } catch (error) {
      throw BangerError.of("guest_unreachable", { reason: (error as Error).message }, { cause: error });
    }
  }

  answers(): Promise<boolean> {
    return describe(this.#connection).then(
      () => true,
      () => false,
    );
  }

  /** Firecracker has nothing to end in order: its disks are as safe as the guest's last sync made them. */
  async kill(): Promise<void> {
    this.#killed = true;
    killProcess(this.handle);
    this.console.resume(); // its end is seen only by reading; the jail holds it open, too
    const stray = endStrayMonitor(this.handle.directory); // should its jail have died before it
    // With what follows its end: the next one in its place must not be met by that.
    await Promise.all([stray, this.exited, this.#consoleClosed]);
  }

  /**
   * Whichever signal it is: Firecracker has nothing to put in order, and as the first process of its namespace it does not get one
   * that it has no handler for, as for SIGTERM (pid_namespaces(7)).
   */
  signal(): void {
    signalInnermost(this.handle, "SIGKILL");
  }

  pause(): Promise<void> {
    return this.calls([{ name: "PATCH /vm", body: { state: "Paused" } }]);
  }

  resume(): Promise<void> {
    return this.calls([{ name: "PATCH /vm", body: { state: "Resumed" } }]);
  }

  async saveState(folder: string, signal: AbortSignal): Promise<void> {
    const { directory, inside } = this.handle;
    const at = (name: string) => (inside ? inOutbox(name) : join(relative(directory, folder), name));
    const body = {
      snapshot_type: "Full",
      snapshot_path: at(SAVED.devices),
      mem_file_path: at(SAVED.memory),
    } as const;
    const save = () => this.calls([{ name: "PUT /snapshot/create", body }]);
    await (inside ? throughOutbox(directory, folder, save) : save());
    signal.throwIfAborted();
  }

  /** A full snapshot is a copy of the guest's whole memory, with no holes for what it never used (Firecracker's snapshot-support.md). */
  async stateBytes(memoryMib: number): Promise<number> {
    return memoryMib * MIB;
  }

  /** Firecracker alone reads it. */
  async openMemory(): Promise<null> {
    return null;
  }

  /** The same path once more: Firecracker then looks at the file's size anew. */
  async stateDiskResized(): Promise<void> {
    const path_on_host = await drivePath(this.#connection, "state");
    await this.calls([{ name: "PATCH /drives/{drive_id}", body: { drive_id: "state", path_on_host } }]);
  }

  async residentBytes(): Promise<number> {
    return residentBytes(this.handle.pid);
  }

  async #explain(): Promise<MachineExit> {
    if (this.#killed) return { expected: true, reason: "ended by banger" };
    const told = endingOf(this.#log);
    if (told) return told;
    const said = await lastWords(this.handle.directory);
    return {
      expected: false,
      reason: said ? `Firecracker ended: ${said}` : "Firecracker was killed or crashed",
    };
  }
}
