/** Files as the guest describes them, and paths as the host gives them. */
import type { WireEntry } from "./operations.ts";

/** A path in the guest. Names in Linux are bytes: a Buffer is for those that are not UTF-8. */
export type GuestPath = string | Buffer;

/** A file, directory or other thing in the guest's tree. */
export interface FileEntry {
  /** For people: bytes that are not UTF-8 read as U+FFFD. */
  readonly name: string;
  /** The exact name. */
  readonly nameBytes: Buffer;
  readonly type: WireEntry["type"];
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: Date;
  /** Nanoseconds since the epoch. */
  readonly mtimeNs: bigint;
  /** Of the last change to anything of it; 0n from an agent that does not tell. */
  readonly ctimeNs: bigint;
  /** Where a symlink points; null for everything else. */
  readonly target: string | null;
  readonly targetBytes: Buffer | null;
  readonly nlink: number;
  readonly ino: bigint;
  readonly dev: bigint;
}

/** Gives a decoded entry its readable form. */
export function fileEntry(entry: WireEntry): FileEntry {
  const { name, target, mtimeNs, ...rest } = entry;
  return {
    ...rest,
    name: name.toString("utf8"),
    nameBytes: name,
    mtime: new Date(Number(mtimeNs / 1_000_000n)),
    mtimeNs,
    target: target?.toString("utf8") ?? null,
    targetBytes: target ?? null,
  };
}

/** The bytes of a path. */
export function pathBytes(path: GuestPath): Buffer {
  return typeof path === "string" ? Buffer.from(path, "utf8") : path;
}
