/**
 * Unpacks an archive that is not to be trusted beneath a folder of this host. No member is resolved through a symlink
 * or above the folder, whatever was there before and whatever the archive made; directories merge, files and symlinks
 * are replaced, and neither takes the other's place. Owners, set-id bits, devices, pipes and extended attributes of the
 * archive are not taken over.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, ftruncateSync, futimesSync, statfsSync, writeSync } from "node:fs";
import { BangerError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { Beneath } from "./beneath.ts";
import { DirectoryAttributes, seconds } from "./directory-attributes.ts";
import type { Folder } from "./folder.ts";
import { invalidArchive, type Member, shown } from "./member.ts";
import { type Components, components } from "./member-path.ts";
import type { LeftOut } from "./pack.ts";
import { type MemberSink, TarReader } from "./reader.ts";

export interface UnpackOptions {
  /** The only name that may stand at the top: who asked for `dir` is not to find files beside it. */
  readonly top?: Buffer;
  readonly onLeftOut?: (left: LeftOut) => void;
  readonly onMember?: (member: Member) => void;
  /** Called when a file begins to be written under another name than its own, with that path. */
  readonly onPart?: (path: Buffer) => void;
}

/** What the archive's owner may do with a file; never set-uid, set-gid or sticky. */
const MODE_BITS = 0o777;
/** Up to this size a file's content comes at once, so that nobody sees a part of it. */
const AT_ONCE_BYTES = 16 * 1024;
/** So much of the file system is left free, or the hundredth part of a small one. */
const RESERVE_BYTES = 256 * 1024 * 1024;
const CHECK_EVERY_BYTES = 32 * 1024 * 1024;
const CHECK_EVERY_MEMBERS = 1024;

interface OpenFile {
  readonly fd: number;
  readonly folder: Folder;
  readonly name: Buffer;
  /** Under which it is written until it is whole; null for one that is written at once. */
  readonly temporary: Buffer | null;
  readonly member: Member;
}

/** Push it the archive; then `finish`, or `abandon`. */
export class Unpacker implements MemberSink {
  readonly #root: string;
  readonly #beneath: Beneath;
  readonly #options: UnpackOptions;
  readonly #reader = new TarReader(this);
  readonly #directories: DirectoryAttributes;
  #file: OpenFile | null = null;
  #member: Member | null = null;
  #uncheckedBytes = 0;
  #uncheckedMembers = CHECK_EVERY_MEMBERS;
  #members = 0;

  /** @param root an existing folder; its own symlinks are followed */
  constructor(root: string, options: UnpackOptions = {}) {
    this.#root = root;
    this.#options = options;
    this.#beneath = new Beneath(root);
    this.#directories = new DirectoryAttributes(this.#beneath);
  }

  /** Members that are completely written. */
  get members(): number {
    return this.#members;
  }

  /** @throws archive_invalid | host_file_failed naming the member | no_space; only `abandon` may follow */
  push(chunk: Buffer): void {
    this.#guarded(() => this.#reader.push(chunk));
  }

  /** The archive has ended. @throws archive_invalid when it is not whole */
  finish(): void {
    this.#guarded(() => {
      this.#reader.finish();
      this.#directories.apply();
    });
    this.#beneath.close();
  }

  /** Ends in the middle: a file that is not whole is removed, directories get their modes as far as that goes. */
  abandon(): void {
    this.#dropFile();
    this.#directories.apply();
    this.#beneath.close();
  }

  begin(member: Member): void {
    this.#member = member;
    this.#options.onMember?.(member);
    this.#checkSpace(0, 1);
    const path = components(member.name);
    const { top } = this.#options;
    if (top && path[0] !== top.toString("latin1") && member.name.length > 0 && !isDot(top))
      throw invalidArchive(`'${shown(member.name)}' was not asked for`);
    if (path.length === 0) {
      if (member.type !== "directory") throw invalidArchive("its top is no directory");
      return; // the folder itself stays as it is
    }
    this.#write(member, path);
  }

  data(chunk: Buffer, position: number): void {
    const { fd } = this.#file ?? { fd: -1 };
    this.#checkSpace(chunk.length, 0);
    for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at, chunk.length - at, position + at);
  }

  end(): void {
    if (this.#file) this.#completeFile(this.#file);
    this.#members++;
  }

  #write(member: Member, path: Components): void {
    const name = Buffer.from(path.at(-1) ?? "", "latin1");
    const folder = this.#beneath.parent(path);
    if (member.type === "directory") this.#makeDirectory(folder, name, path, member);
    else if (member.type === "file") this.#file = this.#openFile(folder, name, path, member);
    else if (member.type === "symlink") {
      clear(folder, name);
      folder.makeSymlink(name, member.link);
      folder.setLinkTime(name, seconds(member.mtimeNs));
    } else if (member.type === "hardlink") this.#makeHardLink(name, path, member);
    else
      this.#options.onLeftOut?.({ path: shown(member.name), why: "it is a pipe or device", failed: false });
  }

  #makeDirectory(folder: Folder, name: Buffer, path: Components, member: Member): void {
    const found = folder.look(name);
    if (found && !found.isDirectory()) throw errno("ENOTDIR");
    if (!found) folder.makeFolder(name, 0o700);
    this.#directories.add(path, member.mode & MODE_BITS, member.mtimeNs);
  }

  #openFile(folder: Folder, name: Buffer, path: Components, member: Member): OpenFile {
    const found = folder.look(name);
    if (found?.isDirectory()) throw errno("EISDIR");
    const part = found !== null || member.size > AT_ONCE_BYTES;
    const temporary = part ? Buffer.from(`.banger-${randomBytes(8).toString("hex")}.part`) : null;
    if (temporary) this.#options.onPart?.(this.#pathOf([...path.slice(0, -1), temporary.toString("latin1")]));
    return { fd: folder.create(temporary ?? name), folder, name, temporary, member };
  }

  #pathOf(path: Components): Buffer {
    return Buffer.concat([Buffer.from(`${this.#root}/`), Buffer.from(path.join("/"), "latin1")]);
  }

  #makeHardLink(name: Buffer, path: Components, member: Member): void {
    const target = components(member.link, `'${shown(member.name)}' is a link to `);
    if (target.length === 0) throw invalidArchive(`'${shown(member.name)}' is a link to a directory`);
    if (target.join("/") === path.join("/")) return;
    const from = this.#beneath.open(target.slice(0, -1));
    try {
      const folder = this.#beneath.parent(path);
      clear(folder, name);
      folder.makeLink(name, from, Buffer.from(target.at(-1) ?? "", "latin1"));
    } finally {
      from.close();
    }
  }

  #completeFile({ fd, folder, name, temporary, member }: OpenFile): void {
    if (member.segments) ftruncateSync(fd, member.size);
    fchmodSync(fd, member.mode & MODE_BITS);
    futimesSync(fd, seconds(member.mtimeNs), seconds(member.mtimeNs));
    if (temporary) folder.rename(temporary, name);
    this.#file = null;
    closeSync(fd);
  }

  #dropFile(): void {
    const file = this.#file;
    if (!file) return;
    this.#file = null;
    closeSync(file.fd);
    try {
      file.folder.remove(file.temporary ?? file.name);
    } catch {
      // somebody else removed it: what counts is the error that ended the unpacking
    }
  }

  /** An archive without end must not take the host's last block. @throws no_space */
  #checkSpace(bytes: number, members: number): void {
    this.#uncheckedBytes += bytes;
    this.#uncheckedMembers += members;
    if (this.#uncheckedBytes < CHECK_EVERY_BYTES && this.#uncheckedMembers < CHECK_EVERY_MEMBERS) return;
    this.#uncheckedBytes = 0;
    this.#uncheckedMembers = 0;
    const { bavail, blocks, bsize } = statfsSync(this.#root);
    const reserve = Math.min(RESERVE_BYTES, (blocks * bsize) / 100);
    const needed = reserve + CHECK_EVERY_BYTES;
    if (bavail * bsize >= needed) return;
    throw BangerError.of("no_space", {
      what: `'${shown(this.#member?.name ?? Buffer.from(""))}'`,
      needed: formatSize(needed),
      available: formatSize(bavail * bsize),
      path: this.#root,
    });
  }

  /** Gives errors of the file system the member's name. */
  #guarded(action: () => void): void {
    try {
      action();
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (error instanceof BangerError || code === undefined) throw error;
      const path = shown(this.#member?.name ?? Buffer.from("."));
      throw BangerError.of(
        "host_file_failed",
        { path, reason: REASONS[code] ?? (error as Error).message },
        { cause: error },
      );
    }
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EISDIR: "a directory is in the way",
  ENOTDIR: "something that is no directory is in the way",
  ELOOP: "it lies below a symbolic link",
  EACCES: "permission denied",
  ENOSPC: "no space left",
  EDQUOT: "the disk quota is used up",
  EROFS: "the file system is read-only",
  EFBIG: "it is larger than a file may be here",
};

const isDot = (name: Buffer) => name.length === 1 && name[0] === 0x2e;

function errno(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

/** Removes what a link will replace. */
function clear(folder: Folder, name: Buffer): void {
  const found = folder.look(name);
  if (found?.isDirectory()) throw errno("EISDIR");
  if (found) folder.remove(name);
}
