/**
 * Memory and devices of a machine in files, by QEMU's own migration. A template's memory lies in a file of its own; else it is part
 * of the stream. Out: over a unix socket in the VM's folder to this process, because a jailed QEMU can open nothing and this works
 * with every version. In: QEMU inherits what is in the files, never the files (guest/lend.h).
 */
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { allDone } from "../../core/all-done.ts";
import { copySparsely } from "../../disk/state-disk.ts";
import { withSocketAddress } from "../../host/unix-socket.ts";
import type { Qmp } from "./qmp.ts";

const FILE = "qemu.state";
const MEMORY = "qemu.memory";
const SOCKET = "save.sock";
/** Bytes per second: the guest is stopped, so nothing is gained by going slowly. */
const UNLIMITED = 2 ** 50;

export const stateFile = (folder: string) => join(folder, FILE);

/** Where a template's memory is. */
export const memoryFile = (folder: string) => join(folder, MEMORY);

/** Of a stopped machine that is to be saved. */
export interface SavePlace {
  /** Its working folder. */
  readonly directory: string;
  /** Where its memory is, which is then copied and no part of the stream. */
  readonly memory?: string | undefined;
}

/**
 * Saves the stopped machine of `qmp` to a file in `folder`. Never a running one: of snapshots that QEMU 7.2 took of running emulated
 * guests, one in eight hung or panicked when it was restored.
 * @returns once all is written; rejects with QEMU's reason
 */
export async function saveMachine(
  qmp: Qmp,
  { directory, memory }: SavePlace,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  await allDone([
    saveStream(qmp, directory, memory !== undefined, folder, signal),
    memory === undefined ? undefined : copySparsely(memory, memoryFile(folder), signal),
  ]);
}

/** The same for the stream alone. @param apart the memory lies in a file, and is no part of it */
export async function saveStream(
  qmp: Qmp,
  directory: string,
  apart: boolean,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const socket = join(directory, SOCKET);
  await rm(socket, { force: true });
  const server = createServer();
  const connected = new Promise<Socket>((resolve) => server.once("connection", resolve));
  try {
    await withSocketAddress(
      socket,
      (address) =>
        new Promise<void>((resolve, reject) => server.once("error", reject).listen(address, resolve)),
    );
    await prepareMigration(qmp, apart);
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": UNLIMITED });
    const saved = qmp.migrated();
    saved.catch(() => {}); // told below, in whatever order things fail
    await qmp.execute("migrate", { uri: `unix:${SOCKET}` });
    const source = await Promise.race([connected, saved.then(() => connected)]);
    // Whoever keeps the file sees to it that it is on disk: the machine need not stand still for that.
    const target = createWriteStream(stateFile(folder), { flags: "wx", mode: 0o600 });
    await Promise.all([pipeline(source, target, { signal }), saved]);
  } catch (error) {
    await qmp.execute("migrate_cancel").catch(() => {});
    throw error;
  } finally {
    server.close();
    await rm(socket, { force: true });
  }
}

/** Loads what was inherited as descriptor 3; the machine is stopped then. Rejects with QEMU's reason. */
export async function loadMachine(qmp: Qmp, apart: boolean): Promise<void> {
  await prepareMigration(qmp, apart);
  // By default it announces the machine to a network where nobody waits for that, and where nobody may be connected yet.
  // With no rounds QEMU 7.2 crashes at the card's next reset, unless the card has `guest_announce=off` (arguments.ts).
  await qmp.execute("migrate-set-parameters", { "announce-rounds": 0 });
  const loaded = qmp.migrated();
  loaded.catch(() => {});
  await qmp.execute("migrate-incoming", { uri: "fd:3" });
  await loaded;
}

async function prepareMigration(qmp: Qmp, apart: boolean): Promise<void> {
  const capabilities = [
    { capability: "events", state: true },
    { capability: "x-ignore-shared", state: apart }, // shared memory: what lies in a file
  ];
  await qmp.execute("migrate-set-capabilities", { capabilities });
}
