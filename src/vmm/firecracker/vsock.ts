/**
 * The agent's channel: a vsock device, on the host a unix socket on which Firecracker is asked for a port of the guest
 * (`CONNECT 7000`, answered `OK …`). Before the agent listens it refuses; the agent then knocks on port 7001, which
 * Firecracker passes on to a socket of ours beside its own, so nothing has to be tried again and again.
 */
import { once } from "node:events";
import { lchown, rm, stat } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { connectForeign, withSocketAddress } from "../../host/unix-socket.ts";

const AGENT_PORT = 7000;
const KNOCK_PORT = 7001;
/** `OK 1073741824` is the longest answer. */
const MAX_ANSWER = 32;
/** Firecracker itself gives a guest two seconds to take or refuse a connection. */
const ANSWER_MS = 5000;

/**
 * Connects to the agent, as soon as it listens.
 * @param path the vsock device's socket
 * @param gone ends the waiting, and the connection
 * @param patience ends the waiting alone
 * @throws Error
 */
export async function connectGuest(path: string, gone: AbortSignal, patience?: AbortSignal): Promise<Socket> {
  await using door = await listenForKnock(`${path}_${KNOCK_PORT}`);
  const enough = patience ? AbortSignal.any([gone, patience]) : gone;
  for (;;) {
    const knocked = door.next(enough);
    knocked.catch(() => {}); // when the attempt succeeds nobody waits for it
    const socket = await attempt(path, gone);
    if (socket) return socket;
    await knocked;
  }
}

/** One try; null when nobody listens in the guest. Rejects when Firecracker itself cannot be reached. */
async function attempt(path: string, gone: AbortSignal): Promise<Socket | null> {
  const socket = await connectForeign(path, gone);
  socket.write(`CONNECT ${AGENT_PORT}\n`);
  const answer = await firstLine(socket).catch(() => null);
  if (answer !== null && /^OK \d+$/.test(answer)) return socket;
  socket.destroy();
  gone.throwIfAborted();
  return null;
}

/** What comes before the first newline; what comes after it stays in the socket. */
function firstLine(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = Buffer.alloc(0);
    const stop = (settle: () => void) => {
      clearTimeout(late);
      socket.off("readable", read).off("close", onClose);
      settle();
    };
    const onClose = () => stop(() => reject(new Error("the guest does not listen")));
    const read = () => {
      // A byte at a time, for the handshake only: nothing of the agent's may be taken away.
      for (let byte = socket.read(1) as Buffer | null; byte; byte = socket.read(1) as Buffer | null) {
        if (byte[0] === 0x0a) return stop(() => resolve(line.toString("latin1")));
        line = Buffer.concat([line, byte]);
        if (line.length > MAX_ANSWER) return stop(() => reject(new Error("the answer is too long")));
      }
    };
    const late = setTimeout(() => stop(() => reject(new Error("no answer"))), ANSWER_MS);
    socket.once("close", onClose);
    socket.on("readable", read);
  });
}

interface Door extends AsyncDisposable {
  /** Resolves at the next knock. */
  next(gone: AbortSignal): Promise<void>;
}

async function listenForKnock(path: string): Promise<Door> {
  await rm(path, { force: true });
  const server: Server = createServer((socket) => {
    socket.on("error", () => {}).destroy();
    server.emit("knock");
  });
  server.maxConnections = 1; // whatever a guest does with it
  await withSocketAddress(path, async (address) => {
    server.listen(address);
    await once(server, "listening");
  });
  // Who knocks is who may write in its folder: in a jail of its own it is somebody else than we are.
  const { uid, gid } = await stat(dirname(path));
  if (uid !== process.getuid?.()) await lchown(path, uid, gid);
  return {
    next: async (gone) => {
      await once(server, "knock", { signal: gone });
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      await rm(path, { force: true });
    },
  };
}
