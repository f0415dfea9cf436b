/** The daemon's socket: 0600 in a 0700 folder, a stale one replaced, readiness waited for by events. */
import { watch } from "node:fs";
import { chmod, lstat, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { BangerError } from "../core/errors.ts";
import { connectUnix, withSocketAddress } from "../host/unix-socket.ts";

const REFUSED_MS = 5;

/** Call only while holding the daemon lock: then a socket file that is there is a leftover. @throws daemon_socket_foreign */
export async function listenOn(server: Server, path: string): Promise<void> {
  const present = await lstat(path).catch(() => null);
  if (present && process.getuid && present.uid !== process.getuid()) {
    throw BangerError.of("daemon_socket_foreign", { path, uid: present.uid });
  }
  await rm(path, { force: true });
  await withSocketAddress(path, async (address) => {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(address, () => {
        server.off("error", reject);
        resolve();
      });
    });
    // Between bind and chmod only the folder's 0700 protects the socket, which is enough.
    await chmod(path, 0o600);
  });
}

/** Resolves when someone accepts connections at `path`: for a daemon that lost the race to start. */
export async function untilListening(path: string, limitMs: number): Promise<void> {
  const deadline = AbortSignal.timeout(limitMs);
  for (;;) {
    // The watch begins before the attempt, so that a socket that appears in between is not missed.
    using change = nextChange(dirname(path), deadline);
    const socket = await connectUnix(path).catch((error: NodeJS.ErrnoException) => error);
    if (!(socket instanceof Error)) {
      socket.destroy();
      return;
    }
    // Bound but not listened on yet: what comes next changes nothing in the folder.
    const soon = socket.code === "ECONNREFUSED" ? [delay(REFUSED_MS)] : [];
    await Promise.race([change.happened, ...soon]);
  }
}

/** A watch for one change of a folder. Disposed of in any case: an open one would keep the process alive. */
function nextChange(folder: string, deadline: AbortSignal): Disposable & { happened: Promise<void> } {
  const watcher = watch(folder);
  const happened = new Promise<void>((resolve, reject) => {
    watcher.once("change", () => resolve());
    const late = () => reject(new Error("the other daemon did not become ready"));
    if (deadline.aborted) late();
    deadline.addEventListener("abort", late, { once: true });
  });
  happened.catch(() => {}); // it may fail before it is waited for
  return { happened, [Symbol.dispose]: () => watcher.close() };
}
