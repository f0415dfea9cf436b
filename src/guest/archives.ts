/** Trees of files in and out of the guest as tar archives. */
import type { Readable } from "node:stream";
import { type FileEntry, fileEntry, type GuestPath, pathBytes } from "./file-entry.ts";
import type { GuestSession, RequestOptions } from "./session.ts";
import { download, type Transferred, upload } from "./transfer.ts";

export interface ReadArchiveOptions extends RequestOptions {
  /** Name of the top entry in the archive; default `.` for a directory, else the base name. */
  readonly name?: GuestPath;
  readonly oneFileSystem?: boolean;
}

/** A pax archive of a directory or file. What the guest packs is not to be trusted: unpack it beneath a folder of its own. */
export async function readArchive(
  session: GuestSession,
  path: GuestPath,
  options: ReadArchiveOptions = {},
): Promise<Readable> {
  return (await openArchive(session, path, options)).content;
}

/** As `readArchive`, with what the archive is of. */
export async function openArchive(
  session: GuestSession,
  path: GuestPath,
  options: ReadArchiveOptions = {},
): Promise<{ readonly content: Readable; readonly entry: FileEntry }> {
  const { name, oneFileSystem } = options;
  const fields = {
    path: pathBytes(path),
    name: name === undefined ? undefined : pathBytes(name),
    oneFileSystem,
  };
  const { content, answer } = await download(session, "tar_out", fields, options);
  return { content, entry: fileEntry(answer.entry) };
}

export interface WriteArchiveOptions extends RequestOptions {
  /** Keep the owners of the archive; default false: root. */
  readonly keepOwner?: boolean;
  /** Leave device nodes out; default true. */
  readonly skipDevices?: boolean;
}

/** Unpacks a tar archive beneath an existing directory; directories merge, files are replaced. @throws guest_refused | guest_not_found */
export async function writeArchive(
  session: GuestSession,
  path: GuestPath,
  archive: Readable | Uint8Array,
  options: WriteArchiveOptions = {},
): Promise<Transferred> {
  const { signal, ...rest } = options;
  return upload(session, "tar_in", { path: pathBytes(path), ...rest }, archive, { signal });
}
