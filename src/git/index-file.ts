/** git's index file, versions 2 to 4, read and written (https://git-scm.com/docs/index-format). Paths are bytes, kept as latin1 strings. */
import { createHash } from "node:crypto";
import { BangerError } from "../core/errors.ts";

export type ObjectFormat = "sha1" | "sha256";

/** What git remembers of a file to know later that it is unchanged; whole numbers of 32 bits, as in the file. */
export interface IndexStat {
  readonly ctimeS: number;
  readonly ctimeNs: number;
  readonly mtimeS: number;
  readonly mtimeNs: number;
  readonly dev: number;
  readonly ino: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
}

export interface IndexEntry {
  readonly path: string;
  /** 0100644, 0100755, 0120000 (symlink) or 0160000 (submodule). */
  readonly mode: number;
  readonly oid: string;
  /** 0; 1 to 3 in a conflict. */
  readonly stage: number;
  readonly assumeValid: boolean;
  readonly skipWorktree: boolean;
  readonly intentToAdd: boolean;
  readonly stat: IndexStat;
}

export interface Index {
  readonly entries: readonly IndexEntry[];
  /** True when a part of it stands elsewhere (split index) or folders stand for their files (sparse index). */
  readonly incomplete: boolean;
}

const OID_BYTES: Record<ObjectFormat, number> = { sha1: 20, sha256: 32 };
const STAT_BYTES = 40;
const EXTENDED = 0x4000;
const SKIP_WORKTREE = 0x4000;
const INTENT_TO_ADD = 0x2000;
const MAX_NAME_LENGTH = 0xfff;
const HEADER = 12;

export const NO_STAT: IndexStat = {
  ctimeS: 0,
  ctimeNs: 0,
  mtimeS: 0,
  mtimeNs: 0,
  dev: 0,
  ino: 0,
  uid: 0,
  gid: 0,
  size: 0,
};

/** Reads an index. Pure. @throws git_failed when it is damaged */
export function parseIndex(bytes: Buffer, format: ObjectFormat): Index {
  const oidBytes = OID_BYTES[format];
  if (bytes.length < HEADER + oidBytes || bytes.toString("latin1", 0, 4) !== "DIRC")
    throw damaged("no index");
  const version = bytes.readUInt32BE(4);
  if (version < 2 || version > 4) throw damaged(`version ${version}`);
  const end = bytes.length - oidBytes;
  checkSum(bytes, end, format);
  const entries: IndexEntry[] = [];
  let at = HEADER;
  let previous = "";
  for (let left = bytes.readUInt32BE(8); left > 0; left--) {
    const read = readEntry(bytes.subarray(at, end), version, oidBytes, previous);
    entries.push(read.entry);
    previous = read.entry.path;
    at += read.size;
  }
  const incomplete = hasForeignParts(bytes.subarray(at, end));
  if (!incomplete && !entries.every((entry) => isTreePath(entry.path))) {
    throw damaged("a path that leads out of the work tree");
  }
  return { entries, incomplete };
}

/** Whether a path can name a file of a work tree: it stays below its top and out of `.git`. Pure. */
export function isTreePath(path: string): boolean {
  return path
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== ".." && !/^\.git$/i.test(part));
}

function readEntry(bytes: Buffer, version: number, oidBytes: number, previous: string) {
  const fixed = STAT_BYTES + oidBytes + 2;
  if (bytes.length < fixed + 2) throw damaged("it is cut off");
  const number = (index: number) => bytes.readUInt32BE(index * 4);
  const flags = bytes.readUInt16BE(fixed - 2);
  const isExtended = (flags & EXTENDED) !== 0;
  const more = isExtended ? bytes.readUInt16BE(fixed) : 0;
  const nameAt = fixed + (isExtended ? 2 : 0);
  const name = version === 4 ? compressedName(bytes, nameAt, previous) : plainName(bytes, nameAt);
  const entry: IndexEntry = {
    path: name.path,
    mode: number(6),
    oid: bytes.toString("hex", STAT_BYTES, STAT_BYTES + oidBytes),
    stage: (flags >> 12) & 3,
    assumeValid: (flags & 0x8000) !== 0,
    skipWorktree: (more & SKIP_WORKTREE) !== 0,
    intentToAdd: (more & INTENT_TO_ADD) !== 0,
    stat: {
      ctimeS: number(0),
      ctimeNs: number(1),
      mtimeS: number(2),
      mtimeNs: number(3),
      dev: number(4),
      ino: number(5),
      uid: number(7),
      gid: number(8),
      size: number(9),
    },
  };
  return { entry, size: name.end };
}

/** Ends with one to eight NULs, so that the entry's length is a multiple of eight. */
function plainName(bytes: Buffer, at: number) {
  const nul = bytes.indexOf(0, at);
  if (nul < 0) throw damaged("a name without end");
  return { path: bytes.toString("latin1", at, nul), end: (nul + 8) & ~7 };
}

/** Version 4: how much of the former name's end to drop, then what follows instead. */
function compressedName(bytes: Buffer, start: number, previous: string) {
  let at = start;
  let byte = bytes[at++] ?? 0;
  let drop = byte & 0x7f;
  while (byte & 0x80) {
    byte = bytes[at++] ?? 0;
    drop = ((drop + 1) << 7) | (byte & 0x7f);
  }
  const nul = bytes.indexOf(0, at);
  if (nul < 0 || drop < 0 || drop > previous.length) throw damaged("a name that cannot be");
  return {
    path: previous.slice(0, previous.length - drop) + bytes.toString("latin1", at, nul),
    end: nul + 1,
  };
}

function hasForeignParts(extensions: Buffer): boolean {
  for (let at = 0; at + 8 <= extensions.length; ) {
    const name = extensions.toString("latin1", at, at + 4);
    if (name === "link" || name === "sdir") return true;
    if (!/^[A-Z]/.test(name)) throw damaged(`an extension '${name}' that is not known`);
    at += 8 + extensions.readUInt32BE(at + 4);
  }
  return false;
}

/** All zeros means that the writer left the sum out (index.skipHash). */
function checkSum(bytes: Buffer, end: number, format: ObjectFormat): void {
  const sum = bytes.subarray(end);
  if (sum.every((byte) => byte === 0)) return;
  if (!createHash(format).update(bytes.subarray(0, end)).digest().equals(sum))
    throw damaged("a wrong checksum");
}

/** An index of these entries, which must be in git's order (bytes of the path, then stage). Pure. */
export function formatIndex(entries: readonly IndexEntry[], format: ObjectFormat): Buffer {
  const oidBytes = OID_BYTES[format];
  const size = entries.reduce((sum, entry) => sum + entrySize(entry, oidBytes), HEADER);
  // One piece of memory: an index of many files is written several times on the way into a guest.
  const bytes = Buffer.alloc(size + oidBytes);
  bytes.write("DIRC", "latin1");
  bytes.writeUInt32BE(entries.some(isExtended) ? 3 : 2, 4);
  bytes.writeUInt32BE(entries.length, 8);
  let at = HEADER;
  for (const entry of entries) {
    const end = at + entrySize(entry, oidBytes);
    writeEntry(bytes.subarray(at, end), entry, oidBytes);
    at = end;
  }
  createHash(format).update(bytes.subarray(0, size)).digest().copy(bytes, size);
  return bytes;
}

const isExtended = (entry: IndexEntry) => entry.skipWorktree || entry.intentToAdd;

const nameOffset = (entry: IndexEntry, oidBytes: number) =>
  STAT_BYTES + oidBytes + 2 + (isExtended(entry) ? 2 : 0);

const entrySize = (entry: IndexEntry, oidBytes: number) =>
  (nameOffset(entry, oidBytes) + entry.path.length + 8) & ~7;

/** @param bytes zeros, as many as the entry takes */
function writeEntry(bytes: Buffer, entry: IndexEntry, oidBytes: number): void {
  const { stat } = entry;
  const numbers = [
    ...[stat.ctimeS, stat.ctimeNs, stat.mtimeS, stat.mtimeNs, stat.dev, stat.ino],
    ...[entry.mode, stat.uid, stat.gid, stat.size],
  ];
  for (const [index, value] of numbers.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  bytes.write(entry.oid, STAT_BYTES, oidBytes, "hex");
  const flags =
    (entry.assumeValid ? 0x8000 : 0) |
    (isExtended(entry) ? EXTENDED : 0) |
    (entry.stage << 12) |
    Math.min(entry.path.length, MAX_NAME_LENGTH);
  const fixed = STAT_BYTES + oidBytes + 2;
  bytes.writeUInt16BE(flags, fixed - 2);
  if (isExtended(entry)) {
    const more = (entry.skipWorktree ? SKIP_WORKTREE : 0) | (entry.intentToAdd ? INTENT_TO_ADD : 0);
    bytes.writeUInt16BE(more, fixed);
  }
  bytes.write(entry.path, nameOffset(entry, oidBytes), "latin1");
}

const damaged = (reason: string) =>
  BangerError.of("git_failed", { command: "reading the index", reason: `it is damaged: ${reason}` });
