/** Finds the processes of a VM from outside, as an administrator would. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** Pids of the processes that work in the VM's folder: QEMU and, around it, the jail. */
export async function monitorsOf(state: string, id: string): Promise<number[]> {
  const folder = join(state, "vms", id);
  const found: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const cwd = await readlink(`/proc/${name}/cwd`).catch(() => "");
    const command = await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "");
    if (cwd === folder || (command.includes("qemu-system") && command.includes(folder)))
      found.push(Number(name));
  }
  return found;
}

/** Pid of QEMU itself, inside the jail. */
export async function qemuOf(state: string, id: string): Promise<number> {
  for (const pid of await monitorsOf(state, id)) {
    const name = await readFile(`/proc/${pid}/comm`, "latin1").catch(() => "");
    if (name.startsWith("qemu-system")) return pid;
  }
  throw new Error(`no QEMU works for ${id}`);
}
