/** Host files that every guest gets at each start: `[[file_sync]]` of config.toml (spec 3.3). */

import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pack } from "../archive/pack.ts";
import { BangerError } from "../core/errors.ts";
import type { FileSync } from "../core/file-sync.ts";
import type { Work } from "../core/stage.ts";
import { type GuestSession, makeDirectory, writeArchive, writeFile } from "../guest/index.ts";
import { homeFolder } from "../host/paths.ts";

interface Guest {
  readonly session: GuestSession;
  readonly signal: AbortSignal;
}

/**
 * Copies each entry into the guest, where it belongs to root and replaces what is there.
 * What is missing on the host or left out becomes a notice.
 * @throws file_sync_failed naming the entry
 */
export async function syncFiles(
  session: GuestSession,
  entries: readonly FileSync[],
  { report, signal }: Work,
  home: string = homeFolder(),
): Promise<void> {
  for (const [index, entry] of entries.entries()) {
    try {
      const host = entry.host.replace(/^~(?=\/|$)/, home);
      await sync({ session, signal }, { ...entry, host }, (text) =>
        report.notice(`file_sync[${index}]: ${text}`),
      );
    } catch (error) {
      if (!session.isOpen || signal.aborted) throw error;
      const { host, guest } = entry;
      throw BangerError.of(
        "file_sync_failed",
        { index, host, guest, reason: reasonOf(error as NodeJS.ErrnoException) },
        { cause: error },
      );
    }
  }
}

/** The host's own refusal in words; what the guest says has other codes. */
function reasonOf({ code, path, message }: NodeJS.ErrnoException): string {
  return code === "EACCES" && path !== undefined ? `${path}: it may not be read` : message;
}

async function sync(guest: Guest, entry: FileSync, notice: (text: string) => void): Promise<void> {
  const { host } = entry;
  const found = await stat(host).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return null;
    throw error;
  });
  if (!found) notice(`${host} does not exist on this host and was not copied`);
  else if (found.isDirectory()) await syncDirectory(guest, entry, notice);
  else if (found.isFile()) await syncFile(guest, entry);
  else throw new Error(`${host} is a socket, pipe or device`);
  if (found?.isDirectory() && entry.mode !== DEFAULT_MODE)
    notice(`mode counts for files only; the files in ${entry.guest} keep the modes of ${host}`);
}

const DEFAULT_MODE = 0o600;

async function syncFile({ session, signal }: Guest, { host, guest, mode }: FileSync): Promise<void> {
  // Looked at again once it is open: what was a file before may be a pipe now, which nobody is to wait for.
  const file: FileHandle = await open(host, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!(await file.stat()).isFile()) throw new Error(`${host} is no file any more`);
    const content = file.createReadStream({ autoClose: false });
    await writeFile(session, guest, content, { mode, makeParents: true, uid: 0, gid: 0, signal });
  } finally {
    await file.close();
  }
}

/** Merges a tree into the guest's. Symlinks in it could lead out of it: they stay where they are. */
async function syncDirectory(
  { session, signal }: Guest,
  { host, guest }: FileSync,
  notice: (text: string) => void,
): Promise<void> {
  const parent = posix.dirname(guest);
  await makeDirectory(session, parent, { parents: true });
  const unread: string[] = [];
  const archive = pack(host, {
    name: Buffer.from(posix.basename(guest)),
    symlinks: "leave out",
    followTop: true,
    onLeftOut: ({ path, why, failed }) => {
      if (failed) unread.push(`${path}: ${why}`);
      else notice(`${path} was left out: ${why}`);
    },
  });
  await writeArchive(session, parent, Readable.from(archive, { objectMode: false, highWaterMark: 1 }), {
    signal,
  });
  if (unread[0] !== undefined) throw new Error(unread[0]);
}
