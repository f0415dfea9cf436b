/** banger's folders and its database. */
import { constants, type Stats } from "node:fs";
import { access, chmod, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { formatSize, GIB } from "../core/units.ts";
import { freeSpace } from "../disk/free-space.ts";
import { databaseFile, type Paths } from "../host/paths.ts";
import { inspectDatabase } from "../store/database.ts";
import { fail, pass, type Row, warn } from "./row.ts";

/** A kernel, an image and a first VM's disk fit in this. */
const NEEDED_BYTES = GIB;
const COMFORTABLE_BYTES = 5 * GIB;
const PRIVATE = 0o700;

/** Whether the folders are, or can be made, this user's own. */
export async function checkFolders(
  paths: Paths,
  uid: number = process.getuid?.() ?? 0,
): Promise<readonly Row[]> {
  const found = await Promise.all([paths.state, paths.cache, paths.run].map((path) => judge(path, uid)));
  const wrong = found.filter((row) => row !== null);
  return wrong.length > 0 ? wrong : [pass("folders", `${paths.state}, ${paths.cache}`)];
}

/**
 * Closes those of banger's folders to others that are this user's own and open to them, or closed to the user.
 * @returns the folders that were changed
 */
export async function closeFolders(paths: Paths, uid: number = process.getuid?.() ?? 0): Promise<string[]> {
  const closed: string[] = [];
  for (const path of [paths.state, paths.cache, paths.run]) {
    const info = await look(path);
    if (!info?.isDirectory() || info.uid !== uid || (info.mode & 0o777) === PRIVATE) continue;
    await chmod(path, PRIVATE);
    closed.push(path);
  }
  return closed;
}

/** What is wrong with a folder, judged as the daemon does it when it starts. */
async function judge(path: string, uid: number): Promise<Row | null> {
  const info = await look(path);
  if (!info) return canBeMade(path);
  if (!info.isDirectory())
    return fail("folders", `${path} is not a folder`, `move it away: mv ${path} ${path}.old`);
  if (info.uid !== uid)
    return fail("folders", `${path} belongs to uid ${info.uid}, not to you`, `sudo chown -R ${uid} ${path}`);
  if ((info.mode & 0o022) !== 0) return fail("folders", `others may write to ${path}`, `chmod 700 ${path}`);
  if ((info.mode & 0o700) !== 0o700) return fail("folders", `${path} is closed to you`, `chmod 700 ${path}`);
  if (!(await usable(path))) return fail("folders", `${path} cannot be written (read-only disk?)`);
  if ((info.mode & 0o055) !== 0) return warn("folders", `others can look into ${path}`, `chmod 700 ${path}`);
  return null;
}

async function look(path: string): Promise<Stats | null> {
  return stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
}

/** The first command makes what is not there; that needs a parent to make it in. */
async function canBeMade(path: string): Promise<Row | null> {
  let parent = dirname(path);
  while (!(await look(parent)) && parent !== dirname(parent)) parent = dirname(parent);
  if ((await look(parent))?.isDirectory() && (await usable(parent))) return null;
  const fix = "make the parent a folder of your own, or set XDG_STATE_HOME and XDG_CACHE_HOME";
  return fail("folders", `${path} cannot be made: ${parent} cannot be written`, fix);
}

function usable(folder: string): Promise<boolean> {
  return access(folder, constants.R_OK | constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
}

export async function checkFreeSpace(
  paths: Paths,
  measure: (path: string) => Promise<number> = freeSpace,
): Promise<Row> {
  const measured = await Promise.all(
    [paths.state, paths.cache].map(async (path) => ({ path, free: await measure(path) })),
  );
  const { path, free } = measured.reduce((least, next) => (next.free < least.free ? next : least));
  const detail = `${formatSize(free)} free at ${path}`;
  if (free < NEEDED_BYTES)
    return fail("free disk", detail, `free at least ${formatSize(NEEDED_BYTES)} there`);
  return free < COMFORTABLE_BYTES
    ? warn("free disk", detail, "delete VMs that are not needed: banger vm list -a")
    : pass("free disk", detail);
}

/** @throws database_newer | database_corrupt | state_unreadable */
export async function checkDatabase(paths: Paths): Promise<Row> {
  const version = inspectDatabase(databaseFile(paths));
  return pass("database", version === null ? "none yet; made on first use" : `schema ${version}`);
}
