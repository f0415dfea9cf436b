/** banger's folders and its database. */
import { lstat } from "node:fs/promises";
import { formatSize, GIB } from "../core/units.ts";
import { freeSpace } from "../disk/free-space.ts";
import { databaseFile, type Paths } from "../host/paths.ts";
import { inspectDatabase } from "../store/database.ts";
import { fail, pass, type Row, warn } from "./row.ts";

/** A kernel, an image and a first VM's disk fit in this. */
const NEEDED_BYTES = GIB;
const COMFORTABLE_BYTES = 5 * GIB;

export async function checkFolders(paths: Paths): Promise<Row> {
  for (const folder of [paths.state, paths.cache, paths.run]) {
    const info = await lstat(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw error;
    });
    if (!info) continue; // made on first use
    if (!info.isDirectory()) return fail("folders", `${folder} is not a folder`, `move it away: ${folder}`);
    if (info.uid !== process.getuid?.()) {
      return fail("folders", `${folder} belongs to user ${info.uid}`, `sudo chown -R "$USER" ${folder}`);
    }
    if ((info.mode & 0o077) !== 0)
      return fail("folders", `${folder} is open to others`, `chmod 700 ${folder}`);
  }
  return pass("folders", `${paths.state}, ${paths.cache}`);
}

export async function checkFreeSpace(paths: Paths): Promise<Row> {
  const free = Math.min(await freeSpace(paths.state), await freeSpace(paths.cache));
  const detail = `${formatSize(free)} free for images and disks`;
  if (free < NEEDED_BYTES)
    return fail("free disk", detail, `free at least ${formatSize(NEEDED_BYTES)} at ${paths.state}`);
  return free < COMFORTABLE_BYTES
    ? warn("free disk", detail, "delete VMs that are not needed: banger vm list -a")
    : pass("free disk", detail);
}

export async function checkDatabase(paths: Paths): Promise<Row> {
  const version = inspectDatabase(databaseFile(paths));
  return pass("database", version === null ? "none yet; made on first use" : `schema ${version}`);
}
