/**
 * Unix sockets at any path. The kernel limits a socket address to 107 bytes; a longer path is reached through a
 * descriptor of its folder (`/proc/self/fd/N/name`), which is short whatever the folder is called.
 */
import { closeSync, constants, openSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { basename, dirname } from "node:path";

const MAX_ADDRESS = 107;
/** open(2): a handle of the file itself, whatever it is; Node has no name for it. */
const O_PATH = 0o10000000;

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
  return withSocketAddress(path, (address) => connectAddress(address, signal));
}

/**
 * As `connectUnix`, to a socket in a folder that somebody else can write: a link that was put in its place is not followed,
 * to a socket that only we could reach.
 */
export async function connectForeign(path: string, signal?: AbortSignal): Promise<Socket> {
  const socket = openItself(path);
  try {
    return await connectAddress(`/proc/self/fd/${socket}`, signal);
  } finally {
    closeSync(socket);
  }
}

function openItself(path: string): number {
  try {
    return openSync(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    throw Object.assign(error as Error, { syscall: "connect" }); // which it is for who waits for the socket
  }
}

function connectAddress(path: string, signal: AbortSignal | undefined): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, ...(signal ? { signal } : {}) });
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
    socket.once("error", reject);
  });
}
