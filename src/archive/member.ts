/** What a member of a tar archive is, and what is wrong with archives that are refused. */
import { BangerError, clean } from "../core/errors.ts";

/** A tar header, and the unit that everything in an archive is padded to. */
export const BLOCK = 512;
/** Largest extended header, long name or sparse map; no honest one comes near. */
export const MAX_META = 1024 * 1024;

export const MEMBER_TYPES = {
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "char",
  "4": "block",
  "5": "directory",
  "6": "fifo",
} as const;

export type MemberType = (typeof MEMBER_TYPES)[keyof typeof MEMBER_TYPES];

/** A file, directory or other thing in an archive. Names in Linux are bytes. */
export interface Member {
  readonly name: Buffer;
  readonly type: MemberType;
  /** Target of a symlink, or the name of an earlier member for a hard link; empty for everything else. */
  readonly link: Buffer;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a file, holes counted; 0 for everything else. */
  readonly size: number;
  readonly mtimeNs: bigint;
  /** The parts of a sparse file that are not holes, in order; null when all of it is stored. */
  readonly segments: readonly Segment[] | null;
  /** Extended attributes by full name; absent when there are none. */
  readonly xattrs?: ReadonlyMap<string, Buffer>;
}

/** A part of a sparse file. */
export interface Segment {
  readonly offset: number;
  readonly size: number;
}

/** A name for people: bytes that are not text are escaped, and it is never long. */
export function shown(name: Buffer): string {
  return clean(name.toString("utf8"), 200).replaceAll("\n", "\\n").replaceAll("\t", "\\t");
}

/** An archive that is damaged, hostile, or of a kind that is not known. */
export function invalidArchive(problem: string): BangerError {
  return BangerError.of("archive_invalid", { problem });
}
