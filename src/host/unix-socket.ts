/**
 * Unix sockets at any path. The kernel limits a socket address to 107 bytes; a longer path is reached through a
 * descriptor of its folder (`/proc/self/fd/N/name`), which is short whatever the folder is called.
 */
import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";

const MAX_ADDRESS = 107;

/** Calls `use` with an address that fits; the address is valid until the returned promise settles. */
export async function withSocketAddress<T>(path: string, use: (address: string) => Promise<T>): Promise<T> {
  if (Buffer.byteLength(path) <= MAX_ADDRESS) return use(path);
  const folder = openSync(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    return await use(`/proc/self/fd/${folder}/${basename(path)}`);
  } finally {
    closeSync(folder);
  }
}

/**
 * Connects to a unix socket; rejects with the system's error (ENOENT, ECONNREFUSED …). A connection that breaks later is
 * told by its `close`: an `error` that nobody happens to listen for at that moment must not end the daemon.
 */
export function connectUnix(path: string, signal?: AbortSignal): Promise<Socket> {
  return withSocketAddress(
    path,
    (address) =>
      new Promise((resolve, reject) => {
        const socket = connect({ path: address, ...(signal ? { signal } : {}) });
        socket.once("connect", () => {
          socket.off("error", reject);
          socket.on("error", () => {});
          resolve(socket);
        });
        socket.once("error", reject);
      }),
  );
}
