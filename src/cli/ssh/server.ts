/** Whether a guest has an ssh server, and when it is there. */
import type { Duplex } from "node:stream";
import { type Banger, BangerError, type Sandbox } from "../../sdk/index.ts";

const SSH_PORT = 22;
/** Where distributions put it. */
const PROGRAMS = ["/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd"];
/** The kernel's tables of TCP sockets. */
const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];
/** State of a socket that takes connections (the kernel's TCP_LISTEN). */
const LISTENING = "0A";

/**
 * True when a server listens on the guest's port 22. While the guest's system is still starting, the end of that is waited
 * for, but only where there is a server that it could start.
 */
export async function hasSshServer(vm: Sandbox): Promise<boolean> {
  if (await listens(vm)) return true;
  if (!(await hasServerProgram(vm))) return false;
  await vm.waitSystem();
  return listens(vm);
}

/** Connects to a port; where nothing listens yet, once more when the guest's system has finished starting. */
export async function connectWhenUp(banger: Banger, ref: string, port: number): Promise<Duplex> {
  try {
    return await banger.connectPort(ref, port);
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "guest_refused") throw error;
    await (await banger.get(ref)).waitSystem();
    return banger.connectPort(ref, port);
  }
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
