/** Reaching the daemon, and starting it when it is not there. */
import { lstat } from "node:fs/promises";
import type { Socket } from "node:net";
import { BangerError } from "../core/errors.ts";
import { daemonSocket, type Paths, resolvePaths } from "../host/paths.ts";
import { connectUnix } from "../host/unix-socket.ts";

export interface ConnectOptions {
  /** The daemon's socket; by default this user's. With a socket given, nothing is started. */
  readonly socket?: string;
  /** Start the daemon when it does not run. Default true. */
  readonly autostart?: boolean;
}

/** A function that gives one more connection to the daemon each time it is called. */
export type Dial = () => Promise<Socket>;

/** How many times a daemon is started before giving up: one that is on its way out may still hold the place. */
const ATTEMPTS = 3;

/** The dialler for these options. */
export function dialler(options: ConnectOptions = {}, paths: Paths = resolvePaths()): Dial {
  const socket = options.socket ?? daemonSocket(paths);
  const start = options.socket === undefined && options.autostart !== false;
  return async () => {
    await refuseForeign(socket);
    for (let attempt = 0; ; attempt++) {
      try {
        return await connectUnix(socket);
      } catch (error) {
        if (!start || !isAbsent(error) || attempt === ATTEMPTS) throw unreachable(error);
        const { startDaemon } = await import("../host/daemon-process.ts"); // most find it running
        await startDaemon(paths);
      }
    }
  };
}

/** True for the errors that mean that no daemon listens. */
function isAbsent(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ECONNREFUSED";
}

function unreachable(error: unknown): BangerError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reason = isAbsent(error)
    ? "it is not running"
    : code === "EACCES"
      ? "its socket is not yours"
      : message;
  return BangerError.of("daemon_unreachable", { reason }, { cause: error });
}

/** A socket that somebody else put in our place would get everything we send. */
async function refuseForeign(path: string): Promise<void> {
  const info = await lstat(path).catch(() => undefined);
  if (info && process.getuid && info.uid !== process.getuid()) {
    throw BangerError.of("daemon_socket_foreign", { path, uid: info.uid });
  }
}
