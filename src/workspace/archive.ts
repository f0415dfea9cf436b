/** Turns files of the host into a tar stream: small files many at a time, large ones in pieces, memory bounded. */
import { type BigIntStats, closeSync, constants, fstatSync, openSync, readlinkSync, readSync } from "node:fs";
import { open } from "node:fs/promises";
import { END, memberHeader, paddingAfter } from "../archive/writer.ts";
import { bytePath, readable, SYMLINK, sameFile, type WorkFile } from "../git/work-tree.ts";

/** Archive bytes handed on at a time. */
const PIECE = 256 * 1024;

/** Paths are bytes, kept as latin1 strings. */
export interface Member {
  readonly path: string;
  readonly type: "file" | "symlink" | "directory";
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
}

/** One member: content in memory, or a file of the host that must be what it was when it was looked at. */
export type Source =
  | { readonly member: Member; readonly content?: Buffer }
  | { readonly member: Member; readonly root: string; readonly file: WorkFile };

/**
 * The archive's bytes. @param onBytes is told how far it has come
 * @param changed makes the error for a file that is not any more what it was
 */
export async function* archive(
  sources: Iterable<Source>,
  changed: (path: string) => Error,
  onBytes: (total: number) => void = () => {},
): AsyncGenerator<Buffer> {
  let pieces: Buffer[] = [];
  let size = 0;
  let total = 0;
  const take = (): Buffer => {
    const piece = Buffer.concat(pieces, size);
    total += size;
    pieces = [];
    size = 0;
    onBytes(total);
    return piece;
  };
  const add = (...parts: Buffer[]) => {
    for (const part of parts) {
      pieces.push(part);
      size += part.length;
    }
  };
  for (const source of sources) {
    if ("file" in source && source.member.type === "file" && source.file.size > PIECE) {
      add(header(source.member));
      yield take();
      for await (const part of largeFile(source, changed)) {
        total += part.length;
        onBytes(total);
        yield part;
      }
      add(padding(source.member.size));
    } else {
      add(...smallMember(source, changed));
    }
    if (size >= PIECE) yield take();
  }
  add(END);
  yield take();
}

/** @param target where a symlink points */
function header({ path, type, mode, size, mtimeNs }: Member, target = ""): Buffer {
  const [name, link] = [Buffer.from(path, "latin1"), Buffer.from(target, "latin1")];
  return memberHeader({ name, type, link, mode, uid: 0, gid: 0, size, mtimeNs, segments: null });
}

const padding = (size: number) => Buffer.alloc(paddingAfter(size));

function smallMember(source: Source, changed: (path: string) => Error): Buffer[] {
  if (!("file" in source)) {
    const { member, content = Buffer.alloc(0) } = source;
    return [header(member), content, padding(content.length)];
  }
  const { member, root, file } = source;
  if (member.type === "symlink") {
    const target = readLink(root, file, changed);
    return [header(member, target)];
  }
  const content = readSmall(root, file, changed);
  return [header(member), content, padding(content.length)];
}

const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function readSmall(root: string, file: WorkFile, changed: (path: string) => Error): Buffer {
  let fd: number;
  try {
    fd = openSync(bytePath(root, file.path), READ);
  } catch (error) {
    throw explain(error, file, changed);
  }
  try {
    if (!isStill(fstatSync(fd, { bigint: true }), file)) throw changed(readable(file.path));
    const content = Buffer.allocUnsafe(file.size);
    for (let at = 0; at < file.size; ) {
      const got = readSync(fd, content, at, file.size - at, at);
      if (got === 0) throw changed(readable(file.path));
      at += got;
    }
    return content;
  } finally {
    closeSync(fd);
  }
}

async function* largeFile(
  { root, file }: { readonly root: string; readonly file: WorkFile },
  changed: (path: string) => Error,
): AsyncGenerator<Buffer> {
  const handle = await open(bytePath(root, file.path), READ).catch((error: unknown) => {
    throw explain(error, file, changed);
  });
  try {
    if (!isStill(await handle.stat({ bigint: true }), file)) throw changed(readable(file.path));
    for (let at = 0; at < file.size; ) {
      const length = Math.min(PIECE, file.size - at);
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(length), 0, length, at);
      if (bytesRead === 0) throw changed(readable(file.path));
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

function readLink(root: string, file: WorkFile, changed: (path: string) => Error): string {
  try {
    const target = readlinkSync(bytePath(root, file.path), { encoding: "latin1" as BufferEncoding });
    if (target.length !== file.size) throw changed(readable(file.path));
    return target;
  } catch (error) {
    throw explain(error, file, changed);
  }
}

function isStill(info: BigIntStats, file: WorkFile): boolean {
  const { ino, dev, mtimeNs, ctimeNs } = info;
  return sameFile({ ...file, ino, dev, mtimeNs, ctimeNs, size: Number(info.size) }, file);
}

function explain(error: unknown, file: WorkFile, changed: (path: string) => Error): unknown {
  const { code } = error as NodeJS.ErrnoException;
  return code === "ENOENT" || code === "ENOTDIR" || code === "ELOOP" || code === "EINVAL"
    ? changed(readable(file.path))
    : error;
}

/** A file of a work tree as a member below `prefix`. */
export function workMember(root: string, file: WorkFile, prefix: string, isReadOnly: boolean): Source {
  const type = file.mode === SYMLINK ? "symlink" : "file";
  const mode = isReadOnly && type === "file" ? file.permissions & ~0o222 : file.permissions;
  const size = type === "symlink" ? 0 : file.size;
  return {
    root: file.root ?? root,
    file,
    member: { path: `${prefix}${file.path}`, type, mode, size, mtimeNs: file.mtimeNs },
  };
}
