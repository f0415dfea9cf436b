/** Finds the processes of a VM from outside, as an administrator would. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { findByUser } from "../../src/host/processes.ts";
import { jailUser } from "../../src/vmm/jail/jail-user.ts";

/** Pids of the processes that work in the VM's folder: the monitor and, around it, the jail. A jailer's work elsewhere, as the VM's own user. */
export async function monitorsOf(state: string, id: string): Promise<number[]> {
  const folder = join(state, "vms", id);
  const jailed = findByUser(jailUser(folder)).map(({ pid }) => pid);
  const found: number[] = [...jailed];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name) || jailed.includes(Number(name))) continue;
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => "");
    const command = await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "");
    if (cwd === folder || (command.includes("qemu-system") && command.includes(folder)))
      found.push(Number(name));
  }
  return found;
}

/** Pid of the monitor itself, inside the jail; of Firecracker's double, its guest. */
export async function monitorOf(state: string, id: string): Promise<number> {
  for (const pid of await monitorsOf(state, id)) {
    const name = await readFile(`/proc/${pid}/comm`, "latin1").catch(() => "");
    if (/^(qemu-system|firecracker)/.test(name)) return pid;
  }
  throw new Error(`no monitor works for ${id}`);
}
