/** Files and trees between this host and guests, with modes, times and links. */
import { accessSync, constants, lstatSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Readable } from "node:stream";
import type { Member } from "../archive/member.ts";
import type { LeftOut } from "../archive/pack.ts";
import { BangerError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { UnfinishedFile } from "../host/unfinished-file.ts";
import { type CopyTarget, copyTarget, type Look, ownName } from "./copy-target.ts";
import type { Files } from "./files.ts";

export interface CopyOptions {
  readonly signal?: AbortSignal;
  /** Called often: how much has been copied so far, and of how much where that is known (a single file). */
  readonly onProgress?: (done: Copied, total: number | undefined) => void;
  /** Called for sockets, pipes, devices and what cannot be read: they are not copied, everything else is. */
  readonly onLeftOut?: (left: LeftOut) => void;
}

/** What was copied. */
export interface Copied {
  /** Files, folders and links. */
  readonly entries: number;
  /** Bytes of files, holes counted. */
  readonly bytes: number;
}

/** Copies a file or tree of this host into a guest; there it belongs to root. @throws copy_refused | copy_failed */
export async function copyIn(
  from: string,
  guest: Files,
  to: string,
  options: CopyOptions = {},
): Promise<Copied> {
  const target = { shown: `VM:${to}`, path: guestPath(to) };
  const { directory, size } = readableSource(from, target.shown);
  const source = { shown: from, path: resolveKeepingEnd(from), directory };
  const place = await copyTarget(source, target, guestLook(guest));
  const count = new Count(directory ? undefined : size, options);
  const { pack } = await import("../archive/pack.ts");
  const archive = pack(from, {
    name: Buffer.from(place.name),
    onMember: (member) => count.member(member),
    ...(options.onLeftOut && { onLeftOut: options.onLeftOut }),
  });
  const stream = Readable.from(count.passing(archive), { objectMode: false, highWaterMark: 1 });
  return count.explain(from, async () => {
    const { entries } = await guest.uploadTar(place.folder, stream, options);
    return entries;
  });
}

/**
 * Copies a file or tree of a guest to this host; here it belongs to who runs this, without set-id bits. What the guest
 * sends is not trusted: nothing beside the target is touched. @throws copy_refused | copy_failed
 */
export async function copyOut(
  guest: Files,
  from: string,
  to: string,
  options: CopyOptions = {},
): Promise<Copied> {
  const { entry, source } = await guestSource(guest, from);
  const place = await copyTarget(source, { shown: to, path: resolveKeepingEnd(to) }, hostLook);
  const { folder, name } = throughSymlink(place);
  refuseReadOnly(source.shown, folder);
  const count = new Count(entry.type === "file" ? entry.size : undefined, options);
  const archive = await guest.downloadTar(source.path, { name, ...options });
  const { Unpacker } = await import("../archive/unpack.ts");
  using unfinished = new UnfinishedFile();
  const unpacker = new Unpacker(folder, {
    top: Buffer.from(name),
    onMember: (member) => count.member(member),
    onPart: (path) => unfinished.is(path),
    ...(options.onLeftOut && { onLeftOut: options.onLeftOut }),
  });
  return await count.explain(
    source.shown,
    async () => {
      try {
        for await (const chunk of archive as AsyncIterable<Buffer>) {
          unpacker.push(chunk);
          count.sent(chunk.length);
        }
        unpacker.finish();
      } catch (error) {
        unpacker.abandon();
        throw options.signal?.aborted ? options.signal.reason : error;
      }
      return unpacker.members;
    },
    () => unpacker.members,
  );
}

/** Copies a file or tree from one guest to another, or within one. @throws copy_refused | copy_failed */
export async function copyBetween(
  from: Files,
  path: string,
  guest: Files,
  to: string,
  options: CopyOptions = {},
): Promise<Copied> {
  const { source } = await guestSource(from, path);
  const place = await copyTarget(source, { shown: `VM:${to}`, path: guestPath(to) }, guestLook(guest));
  const count = new Count(undefined, options);
  const archive = await from.downloadTar(source.path, { name: place.name, ...options });
  archive.on("data", (chunk: Buffer) => count.sent(chunk.length)).pause();
  return count.explain(source.shown, async () => {
    const { entries, bytes } = await guest.uploadTar(place.folder, archive, options);
    count.bytes = bytes;
    return entries;
  });
}

/** Unpacks an archive into an existing folder of a guest. @throws guest_not_found | copy_failed */
export async function unpackIn(
  archive: Readable,
  guest: Files,
  to: string,
  options: CopyOptions = {},
): Promise<Copied> {
  const count = new Count(undefined, options);
  archive.on("data", (chunk: Buffer) => count.sent(chunk.length)).pause();
  return count.explain("the archive", async () => {
    const { entries, bytes } = await guest.uploadTar(guestPath(to), archive, options);
    count.bytes = bytes;
    return entries;
  });
}

/** A file or tree of a guest as an archive, under its own name, or a folder's contents (`dir/.`) under `.`. */
export async function packOut(guest: Files, from: string, options: CopyOptions = {}): Promise<Readable> {
  const { source } = await guestSource(guest, from);
  const archive = await guest.downloadTar(source.path, { name: ownName(source), ...options });
  const count = new Count(undefined, options);
  return archive.on("data", (chunk: Buffer) => count.sent(chunk.length)).pause();
}

/** Counts what goes by, and tells it: while all goes well as progress, afterwards with the error. */
class Count {
  readonly #total: number | undefined;
  readonly #options: CopyOptions;
  #entries = 0;
  #sent = 0;
  bytes = 0;

  constructor(total: number | undefined, options: CopyOptions) {
    this.#total = total;
    this.#options = options;
  }

  member(member: Member): void {
    this.#entries++;
    this.bytes += member.size;
  }

  sent(bytes: number): void {
    this.#sent += bytes;
    this.#options.onProgress?.({ entries: this.#entries, bytes: this.#sent }, this.#total);
  }

  *passing(chunks: Iterable<Buffer>): Generator<Buffer> {
    for (const chunk of chunks) {
      this.sent(chunk.length);
      yield chunk;
    }
  }

  /** @throws copy_failed that says how far it came */
  async explain(source: string, transfer: () => Promise<number>, written?: () => number): Promise<Copied> {
    try {
      return { entries: await transfer(), bytes: this.bytes };
    } catch (error) {
      if (!(error instanceof BangerError)) throw error;
      if (this.#options.signal?.aborted) throw error;
      const entries = written?.() ?? (error.details?.entries as number | undefined);
      throw BangerError.of(
        "copy_failed",
        {
          source,
          reason: error.message,
          copied: `${entries === undefined ? "a part" : `${entries} entries`} of it had been copied and stay there; ${formatSize(this.#sent)} were sent`,
        },
        { cause: error, details: { ...error.details, code: error.code } },
      );
    }
  }
}

/** What is to be copied. @throws copy_refused when it is not there, cannot be read or is nothing to copy */
function readableSource(path: string, target: string): { directory: boolean; size: number } {
  const refuse = (problem: string, accepted: string) =>
    BangerError.of("copy_refused", { source: path, target, problem, accepted });
  try {
    const stat = lstatSync(path);
    if (!stat.isDirectory() && !stat.isFile() && !stat.isSymbolicLink())
      throw refuse("it is a socket, pipe or device", "a file, directory or symbolic link");
    if (!stat.isSymbolicLink())
      accessSync(path, stat.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK);
    return { directory: stat.isDirectory(), size: stat.size };
  } catch (error) {
    if (error instanceof BangerError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const problem =
      code === "ENOENT" ? "it does not exist" : code === "EACCES" ? "it may not be read" : message;
    throw refuse(problem, "check its path and mode");
  }
}

async function guestSource(guest: Files, from: string) {
  const path = guestPath(from);
  // With a slash at the end a symlink stands for the folder that it points to, as everywhere.
  const entry = await guest.stat(path, { follow: path.endsWith("/") || path.endsWith("/.") });
  const source = { shown: `VM:${from}`, path, directory: entry.type === "dir" };
  if (["dir", "file", "symlink"].includes(entry.type)) return { entry, source };
  throw BangerError.of("copy_refused", {
    source: source.shown,
    target: "the host",
    problem: `it is a ${entry.type}`,
    accepted: "a file, directory or symbolic link",
  });
}

/** Absolute; relative paths start at root's home, as with scp. */
function guestPath(path: string): string {
  const home =
    path === "~" || path === "" ? "/root" : path.startsWith("~/") ? `/root/${path.slice(2)}` : path;
  return home.startsWith("/") ? home : `/root/${home}`;
}

/** Absolute, and a slash or `/.` at the end, which mean something, kept. */
function resolveKeepingEnd(path: string): string {
  if (/(^|\/)\.\.?$/.test(path)) return `${resolve(path)}/.`;
  return path.endsWith("/") ? `${resolve(path)}/` : resolve(path);
}

const hostLook: Look = async (path) => {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? (stat.isDirectory() ? "directory" : "other") : null;
};

function guestLook(guest: Files): Look {
  return async (path) => {
    try {
      return (await guest.stat(path, { follow: true })).type === "dir" ? "directory" : "other";
    } catch (error) {
      if ((error as BangerError).code === "guest_not_found") return null;
      throw error;
    }
  };
}

/** Where a symlink that the user named leads, so that its file is replaced and not the link. */
function throughSymlink(place: CopyTarget): CopyTarget {
  const path = join(place.folder, place.name);
  if (place.name === "." || !lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return place;
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return place;
  const real = realpathSync(path);
  return { folder: dirname(real), name: basename(real) };
}

function refuseReadOnly(source: string, folder: string): void {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const reason =
      (error as NodeJS.ErrnoException).code === "EROFS"
        ? "its file system is read-only"
        : "it may not be written to";
    throw BangerError.of("copy_refused", {
      source,
      target: folder,
      problem: reason,
      accepted: "a directory of your own",
    });
  }
}
