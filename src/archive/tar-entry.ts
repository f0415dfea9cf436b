/** What a tar archive is made of, as this layer speaks of it. */

export type TarType = "file" | "directory" | "symlink" | "hardlink" | "fifo" | "character" | "block";

/**
 * One member. Names are bytes, not text: each character of `path` and `link` is one byte (latin1), so that nothing is lost
 * and two names are equal exactly when their bytes are.
 */
export interface TarEntry {
  readonly path: string;
  readonly type: TarType;
  /** Permission bits, with setuid, setgid and sticky (07777). */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content that follow; 0 for everything but a file. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  /** Target of a symlink or hard link, else empty. */
  readonly link: string;
  /** Extended attributes by full name; values are latin1, too. */
  readonly xattrs: Readonly<Record<string, string>>;
}

/** An archive that is not accepted. `entry` is the member concerned (bytes as latin1), when one is known. */
export class TarError extends Error {
  readonly entry: string | null;
  constructor(problem: string, entry: string | null = null) {
    super(problem);
    this.name = "TarError";
    this.entry = entry;
  }
}

/** A name of latin1 bytes as text for people; bytes that are not UTF-8 show as replacement characters. */
export const displayName = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");

export const BLOCK = 512;
/** Zero bytes that fill a member's content up to whole blocks. */
export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;
