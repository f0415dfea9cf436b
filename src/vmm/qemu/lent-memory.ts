/**
 * The memory that a machine was lent when it started (guest/lend.h), as its monitor still has it open. It is read from there when
 * the machine is saved: would the monitor read all of it, each page that the guest never used would be allocated for good.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readlink } from "node:fs/promises";
import { innermostPid } from "../../host/processes.ts";
import type { MachineHandle } from "../driver.ts";
import { LENT } from "./arguments.ts";

/** Null when it has none, or none that this user may read: then the monitor has to. What a monitor shows in its place is nothing that is not in its reach anyway. */
export async function openLentMemory(handle: MachineHandle): Promise<FileHandle | null> {
  const pid = innermostPid(handle);
  if (pid === null) return null;
  const path = LENT.replace("self", String(pid));
  const name = await readlink(path).catch(() => "");
  if (!name.startsWith("/memfd:banger")) return null;
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => null);
  if (file === null || (await file.stat()).isFile()) return file;
  await file.close();
  return null;
}
