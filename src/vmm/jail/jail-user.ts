/**
 * Who the monitor of a jailer's VM is on the host: a user of that VM's own, without a name, a login or a file elsewhere, in a group
 * that all of them share, and nobody else has: by it they read what VMs boot from.
 */
import { hash } from "node:crypto";
import { chmod, chown, lchown, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../../core/errors.ts";

/**
 * Up to the ids that systemd gives to foreign files, from the end of those that it gives to containers, no id is anybody's
 * (https://systemd.io/UIDS-GIDS).
 */
const FIRST = 0x7000_0000;
const USERS = 0x0ffe_0000 - 1;

export const JAIL_GROUP = FIRST;

/** The user for a VM's folder, the same each time. Pure. Two of a thousand VMs have the same one once in five hundred times. */
export function jailUser(folder: string): number {
  return FIRST + 1 + (Number.parseInt(hash("sha256", folder).slice(0, 12), 16) % USERS);
}

/** Gives files of a VM's folder to its user. */
export async function lendFiles(folder: string, paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => lchown(path, jailUser(folder), JAIL_GROUP)));
}

/** Takes back what was lent of a VM's folder. */
export async function takeFilesBack(folder: string): Promise<void> {
  const user = jailUser(folder);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if ((await stat(path).catch(() => null))?.uid === user) await lchown(path, uid(), gid());
  }
}

/**
 * Lets the group read a file that VMs share, if it is in one of banger's own folders; the user's own stay as they are.
 * @throws driver_unavailable when others cannot read it
 */
export async function letRead(path: string, owned: readonly string[]): Promise<void> {
  const { mode, gid: group, uid: owner } = await stat(path);
  if (mode & 0o004 || (group === JAIL_GROUP && mode & 0o040)) return;
  if (!owned.some((folder) => path.startsWith(`${folder}/`))) {
    const reason = `${path} cannot be read by the user that the jailer runs it as`;
    throw BangerError.of("driver_unavailable", { driver: "firecracker", reason, fix: `chmod o+r ${path}` });
  }
  await chown(path, owner, JAIL_GROUP);
  await chmod(path, (mode & 0o777) | 0o040);
}

export const uid = (): number => process.getuid?.() ?? 0;
export const gid = (): number => process.getgid?.() ?? 0;
