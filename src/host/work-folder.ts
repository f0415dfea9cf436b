/** Folders for programs that want room outside of banger's private ones: in the folder for temporary files, found again after a crash. */
import { createHash } from "node:crypto";
import { chmod, lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mountsBelow, topmost } from "./mounts.ts";
import { run, WORK_MARK } from "./run.ts";

/** By this the daemon of a state folder knows its own. */
const prefix = (state: string) => `banger-${createHash("sha256").update(state).digest("hex").slice(0, 16)}-`;

/** Does `work` with a new folder that others can enter, as a build under other user ids needs it; it is gone afterwards. */
export async function withWorkFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), prefix(process.env[WORK_MARK] ?? "")));
  try {
    await chmod(folder, 0o755);
    return await work(folder);
  } finally {
    await remove(folder);
  }
}

/** Removes what a daemon that was killed left of them. */
export async function removeWorkFolders(state: string): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    if (!name.startsWith(prefix(state))) continue;
    const folder = join(tmpdir(), name);
    const info = await lstat(folder).catch(() => null);
    if (info?.isDirectory() && info.uid === process.getuid?.()) await remove(folder);
  }
}

/** What other user ids left in it, its maker removes; when that was killed, too, it stays. So does what is mounted there. */
async function remove(folder: string): Promise<void> {
  if (await withoutMounts(folder)) await rm(folder, { recursive: true, force: true }).catch(() => {});
}

/**
 * Takes what is mounted below a folder away from it. A program of root's that was killed may have left its host's own /sys there.
 * @returns whether nothing is mounted there any more, so that removing it removes nothing else
 */
async function withoutMounts(folder: string): Promise<boolean> {
  for (const place of topmost(await mountsBelow(folder))) {
    // Private first: what is taken away here would else be taken away from where it was mounted from, too.
    await run("mount", ["--make-rprivate", place])
      .then(() => run("umount", ["--no-canonicalize", "--lazy", place]))
      .catch(() => {});
  }
  return (await mountsBelow(folder)).length === 0;
}
