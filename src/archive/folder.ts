/** Directories that are held open, so that what is done in them cannot be led elsewhere. */
import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  renameSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from "node:fs";

const FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Until all of it is there, it is its owner's alone. */
const UNFINISHED = 0o600;

/**
 * A directory of this host. Names are single components; Linux resolves them from the open directory
 * (/proc/self/fd), so that a symlink that somebody puts on the way meanwhile is never followed. Errors are those of
 * the file system.
 */
export class Folder {
  readonly #fd: number;
  readonly #prefix: Buffer;

  private constructor(fd: number) {
    this.#fd = fd;
    this.#prefix = Buffer.from(`/proc/self/fd/${fd}/`);
  }

  /** Opens a path; its symlinks are followed, which is the caller's choice. */
  static open(path: string): Folder {
    return new Folder(openSync(path, FLAGS));
  }

  /** Opens a directory in this one. A symlink is refused. */
  enter(name: Buffer): Folder {
    return new Folder(openSync(this.#at(name), FLAGS | constants.O_NOFOLLOW));
  }

  /** What stands there, symlinks not followed; null for nothing. */
  look(name: Buffer): Stats | null {
    return lstatSync(this.#at(name), { throwIfNoEntry: false }) ?? null;
  }

  /** A new file, open for writing. EEXIST when there is something. */
  create(name: Buffer): number {
    return openSync(this.#at(name), NEW_FILE, UNFINISHED);
  }

  makeFolder(name: Buffer, mode: number): void {
    mkdirSync(this.#at(name), mode);
  }

  makeSymlink(name: Buffer, target: Buffer): void {
    symlinkSync(target, this.#at(name));
  }

  /** A further name for `from`'s file, which is not followed if it is a symlink. */
  makeLink(name: Buffer, from: Folder, fromName: Buffer): void {
    linkSync(from.#at(fromName), this.#at(name));
  }

  rename(from: Buffer, to: Buffer): void {
    renameSync(this.#at(from), this.#at(to));
  }

  remove(name: Buffer): void {
    unlinkSync(this.#at(name));
  }

  /** A symlink's own time, in seconds. */
  setLinkTime(name: Buffer, seconds: number): void {
    lutimesSync(this.#at(name), seconds, seconds);
  }

  /** The directory's own mode and time. */
  setAttributes(mode: number, seconds: number): void {
    fchmodSync(this.#fd, mode);
    futimesSync(this.#fd, seconds, seconds);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #at(name: Buffer): Buffer {
    return Buffer.concat([this.#prefix, name]);
  }
}
