/**
 * Confines Firecracker with its own jailer, for a banger that runs as root: a root of its own below the VM's folder, a user of
 * its own, a network with nothing in it but a tap. The jailer is started in new namespaces in which the files that the monitor needs are mounted into that
 * root: mounts end with the last process that sees them, so whatever crashes, none is left.
 * Layout and rules: docs/jailer.md of Firecracker.
 */
import { chmod, lchown, lstat, mkdir, readdir, rename, rm, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkpoint } from "../../core/checkpoints.ts";
import { endOfUser } from "../../host/marked-processes.ts";
import { run } from "../../host/run.ts";
import type { Jail } from "./jail.ts";
import { gid, JAIL_GROUP, jailUser, lendFiles, letRead, takeFilesBack, uid } from "./jail-user.ts";

/** Below the VM's folder. That it is there says that files are lent and processes may run. */
const JAIL = "jail";
/** Where the monitor may write files for us, beside its root, in which it could put anything in this one's place. */
const OUTBOX = "saved";

const NAMESPACES = ["--mount", "--pid", "--fork", "--net", "--ipc", "--uts"];
/** What is mounted there, as options, source and target each; then, after `--`, what to become. */
const ENTER = `set -e
while [ "$1" != -- ]; do mount -o "$1" -- "$2" "$3"; shift 3; done
shift
exec setpriv --no-new-privs -- "$@"`;
const FILES_ONLY = "nosuid,nodev,noexec";

export interface JailerSettings {
  /** The jailer's program. */
  readonly jailer: string;
  /** A command line that starts the jailer, as root and in the jail's namespaces; nothing: `unshare` does. */
  readonly startedBy: readonly string[];
  /** Name of the real file of Firecracker's program. */
  readonly execName: string;
  /** Letters, digits and hyphens, at most 64. */
  readonly id: string;
  /** Names of what the monitor opens in the VM's folder. */
  readonly opens: readonly string[];
  /** banger's own folders, whose files may be made readable. */
  readonly owned: readonly string[];
}

export function jailerJail({ jailer, startedBy, execName, id, opens, owned }: JailerSettings): Jail {
  const inside = (folder: string) => join(folder, JAIL, execName, id, "root");
  return {
    inside,
    enter: async ({ writable: folder, readOnly }, program, args) => {
      await leaveJail(folder);
      await Promise.all(readOnly.map((path) => letRead(path, owned)));
      const base = join(folder, JAIL);
      const root = inside(folder);
      const lent = opens.map((name) => [join(folder, name), join(root, name)] as const);
      // At their own paths, so that a saved state is good in every jail.
      const shared = [...new Set(readOnly)].map((path) => [path, join(root, path)] as const);
      try {
        await makeJail(folder, root, [...lent, ...shared]);
        await lendFiles(folder, [join(base, OUTBOX), ...lent.map(([path]) => path)]);
        checkpoint("jail.made");
      } catch (error) {
        await leaveJail(folder);
        throw error;
      }
      const mounts = [
        // Its devices and its program are to be used there, whatever the folder's own filesystem forbids.
        ["bind,dev,exec,nosuid", base, base],
        [`bind,rw,${FILES_ONLY}`, join(base, OUTBOX), join(root, OUTBOX)],
        ...lent.map((mount) => [`bind,rw,${FILES_ONLY}`, ...mount]),
        ...shared.map((mount) => [`bind,ro,${FILES_ONLY}`, ...mount]),
      ];
      const user = ["--uid", String(jailUser(folder)), "--gid", String(JAIL_GROUP)];
      const place = ["--id", id, "--exec-file", program, "--chroot-base-dir", base];
      return [...namespaces(mounts.flat()), ...startedBy, jailer, ...place, ...user, "--", ...args];
    },
  };
}

async function makeJail(
  folder: string,
  root: string,
  files: readonly (readonly [source: string, target: string])[],
): Promise<void> {
  await mkdir(join(folder, JAIL), { mode: 0o700 });
  checkpoint("jail.begun");
  await mkdir(join(folder, JAIL, OUTBOX), { mode: 0o700 });
  await mkdir(join(root, OUTBOX), { recursive: true });
  for (const [, target] of files) await makeMountPoint(root, target);
}

const namespaces = (mounts: readonly string[]): [string, ...string[]] => [
  "unshare",
  ...[...NAMESPACES, "--", "/bin/sh", "-c", ENTER, "sh", ...mounts, "--"],
];

/** A file to mount another one on, in folders that the monitor can pass, whatever our umask. */
async function makeMountPoint(root: string, target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  for (let at = dirname(target); at !== root; at = dirname(at)) await chmod(at, 0o755);
  await writeFile(target, "");
}

/**
 * Ends what runs in the jail of a VM's folder, and removes it. Nothing happens when there is none. Its user's processes are found
 * by that user: nothing that they do can change it.
 */
export async function leaveJail(folder: string): Promise<void> {
  const base = join(folder, JAIL);
  if (uid() !== 0 || (await lstat(base).catch(() => null)) === null) return;
  await endOfUser(jailUser(folder)); // first: nobody may be there to lead a removal astray
  checkpoint("jail.ended");
  await takeFilesBack(folder);
  checkpoint("jail.emptied");
  await rm(base, { recursive: true, force: true });
}

/**
 * Has the monitor write files to the outbox and moves them to a folder of ours; names are as the monitor chose them. What was
 * written by a call that failed, or for a daemon that was killed, is removed.
 */
export async function throughOutbox(folder: string, to: string, write: () => Promise<void>): Promise<void> {
  const outbox = join(folder, JAIL, OUTBOX);
  await emptied(outbox);
  try {
    await write();
    for (const name of await readdir(outbox)) {
      await rename(join(outbox, name), join(to, name));
      await lchown(join(to, name), uid(), gid());
    }
  } catch (error) {
    await emptied(outbox).catch(() => {}); // gone with the machine
    throw error;
  }
}

/** Files alone: in a folder of the monitor's it could lead us astray. */
async function emptied(outbox: string): Promise<void> {
  for (const name of await readdir(outbox)) await unlink(join(outbox, name)).catch(() => {});
}

/** A path in the outbox as the monitor knows it. */
export const inOutbox = (name: string): string => join(OUTBOX, name);

/** What the jailer does that a container may not let root do: a device, and a user of a number that the container has not. */
const TRY =
  'mount -t tmpfs -o mode=700 banger-trial /tmp && mknod /tmp/null c 1 3 && chown "$1:$2" /tmp/null && : >/tmp/null';

let trial: Promise<string | null> | undefined;

/** Why no jailer can work on this host, or null when one can (tried once per process): there is a root that may not do all. */
export function jailsForbidden(): Promise<string | null> {
  trial ??= (async () => {
    const [program, ...args] = namespaces(["bind", "/proc", "/proc"]);
    const user = [JAIL_GROUP + 1, JAIL_GROUP].map(String);
    return run(program, [...args, "/bin/sh", "-c", TRY, "sh", ...user]).then(
      () => null,
      (error: Error & { lastLine?: string }) => error.lastLine ?? error.message,
    );
  })();
  return trial;
}
