/** Whether a guest has an ssh server, and when it is there. */
import type { Duplex } from "node:stream";
import { type Banger, BangerError, type Sandbox } from "../../sdk/index.ts";

const SSH_PORT = 22;
/** Where distributions put it. */
const PROGRAMS = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
/** What sshd writes once it listens (sshd(8), FILES; /var/run is /run). */
const PID_FILE = { folder: "/run", name: "sshd.pid" };
/** The kernel's tables of TCP sockets. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
/** State of a socket that takes connections (the kernel's TCP_LISTEN). */
const LISTENING = "0A";

/**
 * True when a server listens on the guest's port 22. Where there is a server that the guest's system could start, it is
 * waited for, until the system has finished starting.
 */
export async function hasSshServer(vm: Sandbox): Promise<boolean> {
  if (await listens(vm)) return true;
  if (!(await hasServerProgram(vm))) return false;
  await serverUp(vm);
  return listens(vm);
}

/**
 * Connects to a port; where nothing listens yet, once more when the guest's system has finished starting, or for ssh when
 * its server is up.
 */
export async function connectWhenUp(banger: Banger, ref: string, port: number): Promise<Duplex> {
  try {
    return await banger.connectPort(ref, port);
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "guest_refused") throw error;
    const vm = await banger.get(ref);
    await (port === SSH_PORT ? serverUp(vm) : vm.waitSystem());
    return banger.connectPort(ref, port);
  }
}

/**
 * Resolves when sshd takes connections: it writes its process id down as soon as it does. One that is started some other
 * way, or never, is waited for until the system has finished starting.
 */
async function serverUp(vm: Sandbox): Promise<void> {
  const enough = new AbortController();
  const { signal } = enough;
  try {
    await Promise.race([vm.waitSystem({ signal }), pidFileWritten(vm, signal)]);
  } finally {
    enough.abort();
  }
}

/** Resolves when it is, or when the server came up before it could be watched; never, when there will be none. */
function pidFileWritten(vm: Sandbox, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onOpen = () => void listens(vm).then((up) => up && resolve(), reject);
    const follow = async () => {
      for await (const { path } of vm.files.watch(PID_FILE.folder, { signal, onOpen })) {
        if (path === PID_FILE.name) resolve();
      }
    };
    follow().catch(reject);
  });
}

async function listens(vm: Sandbox): Promise<boolean> {
  const tables = await Promise.all(TABLES.map((table) => vm.files.readText(table).catch(withoutFile(""))));
  return tables.some((table) => hasListener(table, SSH_PORT));
}

/** Reads a table of sockets: the local address ends with the port in hex, the fourth column is the state. Pure. */
export function hasListener(table: string, port: number): boolean {
  const ending = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").some((line) => {
    const [, local = "", , state] = line.trim().split(/\s+/);
    return local.endsWith(ending) && state === LISTENING;
  });
}

async function hasServerProgram(vm: Sandbox): Promise<boolean> {
  const found = await Promise.all(
    PROGRAMS.map((path) => vm.files.stat(path).then(() => true, withoutFile(false))),
  );
  return found.includes(true);
}

/** `value` where the guest has no such file. */
function withoutFile<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof BangerError && error.code === "guest_not_found") return value;
    throw error;
  };
}
