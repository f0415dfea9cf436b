/** What of the index's files is in the work tree now, judged as git judges it, without git and without running a filter. */
import { type BigIntStats, lstatSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type IndexEntry, type IndexStat, NO_STAT } from "./index-file.ts";
import type { Repository } from "./repository.ts";

export const FILE = 0o100644;
export const EXECUTABLE = 0o100755;
export const SYMLINK = 0o120000;
export const SUBMODULE = 0o160000;

/** A file or symlink of the work tree, and by what it is known again. */
export interface WorkFile {
  /** Bytes as latin1, relative to the top. */
  readonly path: string;
  /** Where it lies, when that is not the work tree. */
  readonly root?: string;
  /** As git has it: FILE, EXECUTABLE or SYMLINK. */
  readonly mode: number;
  readonly permissions: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  readonly ino: bigint;
  readonly dev: bigint;
}

export interface TrackedFile {
  readonly entry: IndexEntry;
  /** null when it is not there: deleted, or left out by a sparse checkout. */
  readonly file: WorkFile | null;
  /** It is what the index says; otherwise it may or may not be. */
  readonly isClean: boolean;
}

/** Files looked at before others get a turn. */
export const BATCH = 500;
const TYPE = 0o170000n;

/** The path for the operating system. */
export function bytePath(root: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${root}/`, "utf8"), Buffer.from(path, "latin1")]);
}

/** For people. */
export const readable = (path: string): string => Buffer.from(path, "latin1").toString("utf8");

/** undefined when there is nothing, or something else than a folder on the way. */
function describe(path: Buffer): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

/** Looks at one path; null when nothing that git could track is there. */
export function lookAt(root: string, path: string, isExecutable?: boolean): WorkFile | null {
  const info = describe(bytePath(root, path));
  if (!info) return null;
  const isLink = (info.mode & TYPE) === 0o120000n;
  if (!isLink && (info.mode & TYPE) !== 0o100000n) return null;
  const executable = isExecutable ?? (info.mode & 0o100n) !== 0n;
  return {
    path,
    mode: isLink ? SYMLINK : executable ? EXECUTABLE : FILE,
    permissions: Number(info.mode & 0o777n),
    size: Number(info.size),
    mtimeNs: info.mtimeNs,
    ctimeNs: info.ctimeNs,
    ino: info.ino,
    dev: info.dev,
  };
}

/** Whether a file is still the one that was looked at, by everything the file system says of it. */
export function sameFile(now: WorkFile | null, then: WorkFile | null): boolean {
  if (!now || !then) return now === then;
  return (
    now.ino === then.ino &&
    now.dev === then.dev &&
    now.size === then.size &&
    now.mtimeNs === then.mtimeNs &&
    now.ctimeNs === then.ctimeNs
  );
}

/** Compares every entry with the work tree. @param indexTime modification time of the index file in nanoseconds */
export async function trackedFiles(
  repository: Repository,
  entries: readonly IndexEntry[],
  indexTime: bigint,
): Promise<TrackedFile[]> {
  const { root, settings } = repository;
  const folders = new RealFolders(root);
  const rules = {
    indexTime,
    fileMode: settings["core.filemode"] !== "false",
    ctime: settings["core.trustctime"] !== "false",
    minimal: settings["core.checkstat"]?.toLowerCase() === "minimal",
  };
  const result: TrackedFile[] = [];
  for (const [index, entry] of entries.entries()) {
    if (index % BATCH === BATCH - 1) await nextTurn();
    const claimed = rules.fileMode ? undefined : entry.mode === EXECUTABLE;
    const file = folders.hasReal(entry.path) ? lookAt(root, entry.path, claimed) : null;
    // A submodule is a repository of its own: here it is only named.
    const isClean = file ? isUnchanged(entry, file, rules) : entry.mode === SUBMODULE;
    result.push({ entry, file, isClean });
  }
  return result;
}

interface Rules {
  readonly indexTime: bigint;
  readonly fileMode: boolean;
  readonly ctime: boolean;
  readonly minimal: boolean;
}

const NS = 1_000_000_000n;

/** What an index says of a file by which it is known again elsewhere: time and size alone mean the same there. */
export function statOf(file: WorkFile): IndexStat {
  return {
    ...NO_STAT,
    mtimeS: Number(BigInt.asUintN(32, file.mtimeNs / NS)),
    mtimeNs: Number(BigInt.asUintN(32, file.mtimeNs % NS)),
    size: (file.size & 0xffff_ffff) >>> 0,
  };
}

/** The judgement of git's `ie_match_stat`. A file as young as the index may have changed within a tick of the clock, so it counts as changed. */
function isUnchanged(entry: IndexEntry, file: WorkFile, rules: Rules): boolean {
  const { stat } = entry;
  if (entry.mode !== file.mode || entry.intentToAdd || entry.stage !== 0) return false;
  if (stat.size !== (file.size & 0xffff_ffff) >>> 0) return false;
  if (!isTime(file.mtimeNs, stat.mtimeS, stat.mtimeNs)) return false;
  // Without nanoseconds, everything of that second counts as the same time.
  const precise = stat.mtimeNs !== 0;
  if (precise ? file.mtimeNs >= rules.indexTime : file.mtimeNs / NS >= rules.indexTime / NS) return false;
  if (rules.minimal) return true;
  if (rules.ctime && !isTime(file.ctimeNs, stat.ctimeS, stat.ctimeNs)) return false;
  return hasInode(stat, file);
}

function isTime(time: bigint, seconds: number, nanoseconds: number): boolean {
  if (BigInt.asUintN(32, time / NS) !== BigInt(seconds)) return false;
  return nanoseconds === 0 || time % NS === BigInt(nanoseconds);
}

/** Programs that are not git leave it out. */
function hasInode(stat: IndexStat, file: WorkFile): boolean {
  return stat.ino === 0 || BigInt.asUintN(32, file.ino) === BigInt(stat.ino);
}

/** Whether a path's folders are folders: below a symlink lies somebody else's file. */
export class RealFolders {
  readonly #root: string;
  readonly #known = new Map<string, boolean>([["", true]]);

  constructor(root: string) {
    this.#root = root;
  }

  hasReal(path: string): boolean {
    const slash = path.lastIndexOf("/");
    return this.#isReal(slash < 0 ? "" : path.slice(0, slash));
  }

  #isReal(folder: string): boolean {
    const known = this.#known.get(folder);
    if (known !== undefined) return known;
    const real = this.hasReal(folder) && isFolder(bytePath(this.#root, folder));
    this.#known.set(folder, real);
    return real;
  }
}

function isFolder(path: Buffer): boolean {
  const info = describe(path);
  return info !== undefined && (info.mode & TYPE) === 0o040000n;
}
