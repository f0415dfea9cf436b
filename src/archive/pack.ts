/**
 * Packs a tree of this host as a tar archive. Calls are synchronous, one piece of at most PIECE bytes at a time: for
 * small files that is forty times cheaper than asynchronous calls, and between the pieces others have their turn.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { findSegments, isSparse } from "./holes.ts";
import { type Member, shown } from "./member.ts";
import { END, memberHeader, paddingAfter, storedSize } from "./writer.ts";

/** Most bytes handed out at once. */
const PIECE = 256 * 1024;
/** Names remembered for hard links; further files that have several names are stored several times. */
const MAX_LINKS = 1_000_000;
/** Left out rather than waited for: opening a pipe that nobody writes would block. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Something of the tree that is not in the archive as it is on the host, and why. */
export interface LeftOut {
  readonly path: string;
  readonly why: string;
  /** False for what is left out by design: sockets, pipes, devices. */
  readonly failed: boolean;
}

export interface PackOptions {
  /** Name of the top in the archive; "." puts a directory's contents there. */
  readonly name: Buffer;
  /** What is done with symbolic links below the top; default: they are kept as links. */
  readonly symlinks?: "keep" | "leave out";
  /** Permission bits of files instead of their own. */
  readonly fileMode?: number;
  /** The top itself may be a symlink that is followed. */
  readonly followTop?: boolean;
  readonly onLeftOut?: (left: LeftOut) => void;
  /** Called at every member. */
  readonly onMember?: (member: Member) => void;
}

/** The archive's bytes. @throws the top's own file system error; what cannot be read further down is left out and told */
export function* pack(top: string | Buffer, options: PackOptions): Generator<Buffer, void, undefined> {
  yield* gather(new Packer(options).members(Buffer.from(top as string)));
}

/** Small pieces are put together: each one handed out costs a turn of the stream's machinery. */
function* gather(pieces: Iterable<Buffer>): Generator<Buffer, void, undefined> {
  let buffer = Buffer.allocUnsafe(PIECE);
  let filled = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const size = piece.copy(buffer, filled, at);
      at += size;
      filled += size;
      if (filled < PIECE) continue;
      yield buffer;
      buffer = Buffer.allocUnsafe(PIECE);
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}

class Packer {
  readonly #options: PackOptions;
  readonly #links = new Map<string, Buffer>();
  readonly #buffer = Buffer.allocUnsafe(PIECE);

  constructor(options: PackOptions) {
    this.#options = options;
  }

  *members(top: Buffer): Generator<Buffer, void, undefined> {
    yield* this.#entry(top, this.#options.name, true);
    yield END;
  }

  *#entry(path: Buffer, name: Buffer, isTop = false): Generator<Buffer, void, undefined> {
    const stat = this.#attempt(path, isTop, () => {
      if (!isTop || !this.#options.followTop) return lstatSync(path, { bigint: true });
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      try {
        return fstatSync(fd, { bigint: true });
      } finally {
        closeSync(fd);
      }
    });
    if (!stat) return;
    if (stat.isDirectory()) yield* this.#directory(path, name, stat, isTop);
    else if (stat.isFile()) yield* this.#file(path, name, isTop);
    else if (stat.isSymbolicLink() && this.#options.symlinks !== "leave out")
      yield* this.#symlink(path, name, stat);
    else
      this.#leaveOut(
        path,
        stat.isSymbolicLink() ? "it is a symbolic link" : "it is a socket, pipe or device",
        false,
      );
  }

  *#directory(
    path: Buffer,
    name: Buffer,
    stat: BigIntStats,
    isTop: boolean,
  ): Generator<Buffer, void, undefined> {
    const names = this.#attempt(path, isTop, () => readdirSync(path, { encoding: "buffer" }));
    if (!names) return;
    yield this.#header("directory", Buffer.concat([name, SLASH]), stat);
    for (const child of names.sort(Buffer.compare))
      yield* this.#entry(Buffer.concat([path, SLASH, child]), Buffer.concat([name, SLASH, child]));
  }

  *#symlink(path: Buffer, name: Buffer, stat: BigIntStats): Generator<Buffer, void, undefined> {
    const link = this.#attempt(path, false, () => readlinkSync(path, { encoding: "buffer" }));
    if (link) yield this.#header("symlink", name, stat, { link });
  }

  *#file(path: Buffer, name: Buffer, isTop: boolean): Generator<Buffer, void, undefined> {
    const flags = isTop && this.#options.followTop ? OPEN_FLAGS & ~constants.O_NOFOLLOW : OPEN_FLAGS;
    const fd = this.#attempt(path, isTop, () => openSync(path, flags));
    if (fd === undefined) return;
    try {
      // Of the open file: what stood at the path before may have been something else.
      const stat = fstatSync(fd, { bigint: true });
      if (!stat.isFile()) return;
      const first = this.#firstName(stat, name);
      if (first) yield this.#header("hardlink", name, stat, { link: first });
      else yield* this.#content(fd, path, name, stat);
    } finally {
      closeSync(fd);
    }
  }

  *#content(fd: number, path: Buffer, name: Buffer, stat: BigIntStats): Generator<Buffer, void, undefined> {
    const size = Number(stat.size);
    const segments = isSparse(stat) ? findSegments(fd, size, this.#buffer) : null;
    yield this.#header("file", name, stat, { size, segments });
    let short = false;
    for (const segment of segments ?? [{ offset: 0, size }])
      for (let at = segment.offset, end = at + segment.size; at < end; ) {
        const wanted = Math.min(PIECE, end - at);
        const got: number = short ? 0 : readSync(fd, this.#buffer, 0, wanted, at);
        if (got === 0) this.#buffer.fill(0, 0, wanted); // it became shorter; its header is out already
        short ||= got === 0;
        yield this.#buffer.subarray(0, got || wanted);
        at += got || wanted;
      }
    if (short) this.#leaveOut(path, "it became shorter while it was read; its end is zeros");
    yield ZEROS.subarray(0, paddingAfter(storedSize({ segments, size })));
  }

  #header(type: Member["type"], name: Buffer, stat: BigIntStats, more: Partial<Member> = {}): Buffer {
    const mode = type === "file" ? this.#options.fileMode : undefined;
    const member: Member = {
      name,
      type,
      link: EMPTY,
      mode: mode ?? Number(stat.mode) & 0o7777,
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      size: 0,
      mtimeNs: stat.mtimeNs,
      segments: null,
      ...more,
    };
    this.#options.onMember?.(member);
    return memberHeader(member);
  }

  /** The name under which this file is in the archive already. */
  #firstName(stat: BigIntStats, name: Buffer): Buffer | undefined {
    if (stat.nlink < 2n) return undefined;
    const key = `${stat.dev}:${stat.ino}`;
    const first = this.#links.get(key);
    if (!first && this.#links.size < MAX_LINKS) this.#links.set(key, name);
    return first;
  }

  #attempt<T>(path: Buffer, isTop: boolean, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (isTop) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      this.#leaveOut(path, code === "EACCES" ? "it may not be read" : message);
      return undefined;
    }
  }

  #leaveOut(path: Buffer, why: string, failed = true): void {
    this.#options.onLeftOut?.({ path: shown(path), why, failed });
  }
}

const SLASH = Buffer.from("/");
const EMPTY = Buffer.alloc(0);
const ZEROS = Buffer.alloc(512);
