/**
 * The file that is a machine's memory, as its monitor has it open: lent to it when it started (guest/lend.h), or of its own making.
 * It is read from there when the machine is saved: would the monitor read all of it, each page that the guest never used would be
 * allocated for good.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { innermostPid } from "../../host/processes.ts";
import type { MachineHandle } from "../driver.ts";
import { MEMORY_NAMES } from "./arguments.ts";

/**
 * Null when it has none, or none that this user may read: then the monitor has to. What a monitor shows in its place is nothing
 * that is not in its reach anyway.
 */
export async function openMemoryFile(handle: MachineHandle): Promise<FileHandle | null> {
  const pid = innermostPid(handle);
  if (pid === null) return null;
  const folder = `/proc/${pid}/fd`;
  for (const fd of await readdir(folder).catch(() => [])) {
    const path = join(folder, fd);
    const name = await readlink(path).catch(() => "");
    if (!MEMORY_NAMES.some((known) => name.startsWith(known))) continue;
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
    if (file === null || (await file.stat()).isFile()) return file;
    await file.close();
  }
  return null;
}
