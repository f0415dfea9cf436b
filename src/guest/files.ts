/** Files in the guest. */
import type { Readable } from "node:stream";
import { BangerError } from "../core/errors.ts";
import { decodeFields } from "./fields.ts";
import { type FileEntry, fileEntry, type GuestPath, pathBytes } from "./file-entry.ts";
import { ENTRY, type RequestOf } from "./operations.ts";
import type { GuestSession, RequestOptions } from "./session.ts";
import { download, upload } from "./transfer.ts";
import { violation } from "./violation.ts";

/** Largest record of a listing: a name, a target and some numbers. */
const MAX_RECORD = 16_384;
const LENGTH_SIZE = 4;

/** Describes what is at `path`; symlinks are followed only on request. @throws guest_not_found | guest_refused */
export async function statFile(
  session: GuestSession,
  path: GuestPath,
  options: RequestOptions & { readonly follow?: boolean } = {},
): Promise<FileEntry> {
  const fields = { path: pathBytes(path), follow: options.follow };
  return fileEntry((await session.request("file_stat", fields, options)).entry);
}

/** The entries of a directory in its own order, as many as there are; read as fast as they are taken. */
export async function* listFiles(
  session: GuestSession,
  path: GuestPath,
  options: RequestOptions = {},
): AsyncGenerator<FileEntry, void, undefined> {
  yield* readEntries(session, { path: pathBytes(path) }, checkName, options);
}

async function* readEntries(
  session: GuestSession,
  fields: RequestOf<"file_list">,
  check: (name: Buffer) => void,
  options: RequestOptions,
): AsyncGenerator<FileEntry, void, undefined> {
  const { content } = await download(session, "file_list", fields, options);
  let rest: Buffer = Buffer.alloc(0);
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
      const { entries, used } = records(bytes, check);
      yield* entries;
      rest = Buffer.from(bytes.subarray(used));
    }
    if (rest.length > 0) throw violation("a listing ends in the middle of a record");
  } catch (error) {
    if (isViolation(error)) session.fail(error);
    throw error;
  }
}

/**
 * Everything below a directory, as far as its filesystem goes; `name` is the path below it. The directory `skip` (a path
 * below it) is described, but not entered. @throws guest_refused when the agent is too old to do it
 */
export async function* listTree(
  session: GuestSession,
  path: GuestPath,
  options: RequestOptions & { readonly skip?: string } = {},
): AsyncGenerator<FileEntry, void, undefined> {
  const { skip, ...rest } = options;
  const fields = {
    path: pathBytes(path),
    recursive: true,
    skip: skip === undefined ? undefined : Buffer.from(skip),
  };
  for await (const entry of readEntries(session, fields, checkPath, rest)) {
    if (entry.ctimeNs === 0n) throw tooOld();
    yield entry;
  }
}

const tooOld = () =>
  BangerError.of("guest_refused", {
    problem: "its agent is from an older banger and cannot list trees",
    hint: "banger vm restart gives it this banger's agent",
  });

/** The content of a regular file, or a part of it (`limit` 0 = to the end). @throws guest_not_found | guest_refused */
export async function readFile(
  session: GuestSession,
  path: GuestPath,
  options: RequestOptions & { readonly offset?: number; readonly limit?: number } = {},
): Promise<Readable> {
  const fields = { path: pathBytes(path), offset: options.offset, limit: options.limit };
  return (await download(session, "file_read", fields, options)).content;
}

export interface WriteOptions extends RequestOptions {
  /** Permission bits; default 0644. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtimeNs?: bigint;
  /** Refuse when the file is there already. */
  readonly exclusive?: boolean;
  readonly makeParents?: boolean;
}

/** Writes a file so that either the old or the whole new content is there. Returns its size. @throws guest_not_found | guest_refused */
export async function writeFile(
  session: GuestSession,
  path: GuestPath,
  content: Readable | Uint8Array,
  options: WriteOptions = {},
): Promise<number> {
  const { signal, ...attributes } = options;
  const fields = { path: pathBytes(path), ...attributes };
  return (await upload(session, "file_write", fields, content, { signal })).bytes;
}

/** Makes a directory; with `parents` also those above it, and one that is there already is fine. */
export async function makeDirectory(
  session: GuestSession,
  path: GuestPath,
  options: RequestOptions & { readonly mode?: number; readonly parents?: boolean } = {},
): Promise<void> {
  const fields = { path: pathBytes(path), mode: options.mode, parents: options.parents };
  await session.request("file_mkdir", fields, options);
}

/** Renames. Replaces what is at `to` only on request. */
export async function moveFile(
  session: GuestSession,
  from: GuestPath,
  to: GuestPath,
  options: RequestOptions & { readonly replace?: boolean } = {},
): Promise<void> {
  const fields = { from: pathBytes(from), to: pathBytes(to), replace: options.replace };
  await session.request("file_move", fields, options);
}

/** Removes. Never follows symlinks, never leaves the filesystem that `path` is on. */
export async function removeFile(
  session: GuestSession,
  path: GuestPath,
  options: RequestOptions & { readonly recursive?: boolean; readonly missingOk?: boolean } = {},
): Promise<void> {
  const fields = { path: pathBytes(path), recursive: options.recursive, missingOk: options.missingOk };
  await session.request("file_remove", fields, options);
}

/** The whole records at the front of `bytes`. @throws guest_protocol */
function records(bytes: Buffer, check: (name: Buffer) => void): { entries: FileEntry[]; used: number } {
  const entries: FileEntry[] = [];
  let at = 0;
  while (bytes.length - at >= LENGTH_SIZE) {
    const length = bytes.readUInt32LE(at);
    if (length > MAX_RECORD) throw violation(`a record of a listing has ${length} bytes`);
    const end = at + LENGTH_SIZE + length;
    if (end > bytes.length) break;
    const entry = decodeFields(ENTRY, bytes.subarray(at + LENGTH_SIZE, end));
    check(entry.name);
    entries.push(fileEntry(entry));
    at = end;
  }
  return { entries, used: at };
}

/** A listed name is one path component: whoever joins it to a path of the host must not be led elsewhere. */
function checkName(name: Buffer): void {
  const text = name.toString("latin1");
  if (text === "" || text === "." || text === ".." || text.includes("/")) {
    throw violation("a listed name is not a name");
  }
}

/** A path in a list of a tree is made of such names. */
function checkPath(path: Buffer): void {
  for (const name of path.toString("latin1").split("/")) checkName(Buffer.from(name, "latin1"));
}

function isViolation(error: unknown): error is ReturnType<typeof violation> {
  return error instanceof Error && "code" in error && error.code === "guest_protocol";
}
