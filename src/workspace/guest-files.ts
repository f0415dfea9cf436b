/** What of a guest's work tree is as banger left it, what changed, what is new: told from a listing, without reading a file. */

import { BangerError } from "../core/errors.ts";
import type { IndexEntry } from "../git/index-file.ts";
import { isTreePath } from "../git/index-file.ts";
import { EXECUTABLE, FILE, SUBMODULE, SYMLINK } from "../git/work-tree.ts";
import { type FileEntry, type GuestSession, listTree } from "../guest/index.ts";

/** More files than any checkout has; a guest that lists more is not followed. */
const MAX_FILES = 2_000_000;

/** A file or symlink of the guest. Everything in it is what the guest says. */
export interface GuestFile {
  readonly path: string;
  /** FILE, EXECUTABLE or SYMLINK. */
  readonly mode: number;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
  /** Of a symlink, bytes as latin1. */
  readonly target: string | null;
}

export interface Comparison {
  readonly unchanged: readonly IndexEntry[];
  /** Known files that may have another content now. */
  readonly touched: readonly GuestFile[];
  /** Files that banger did not put there. */
  readonly fresh: readonly GuestFile[];
  readonly gone: readonly IndexEntry[];
}

export interface GuestListing {
  /** Files and symlinks that git could track. */
  readonly files: readonly GuestFile[];
  /** Repositories within, such as submodules, in which something was changed. Their files are not among `files`. */
  readonly changedWithin: readonly string[];
}

/**
 * Lists the guest's work tree. @param settledNs guest clock when banger had put everything there
 * @throws guest_refused | guest_not_found
 */
export async function listGuestFiles(
  session: GuestSession,
  guestPath: string,
  settledNs: bigint,
  signal?: AbortSignal,
): Promise<GuestListing> {
  const files: GuestFile[] = [];
  const repositories: string[] = [];
  const newer: string[] = [];
  for await (const entry of listTree(session, guestPath, { skip: ".git", signal })) {
    const path = entry.nameBytes.toString("latin1");
    if (path === ".git") continue;
    if (path.endsWith("/.git")) repositories.push(path.slice(0, -".git".length));
    // What git itself writes when it only looks is below its own folder.
    if (entry.ctimeNs >= settledNs && !/\/\.git(\/|$)/.test(path)) newer.push(path);
    const file = guestFile(path, entry);
    if (!file) continue;
    if (files.push(file) > MAX_FILES) throw tooMany();
  }
  // What lies in a repository of its own is not this repository's.
  if (repositories.length === 0) return { files, changedWithin: [] };
  const isWithin = (top: string) => (path: string) => path.startsWith(top) || `${path}/` === top;
  return {
    files: files.filter(({ path }) => !repositories.some((top) => path.startsWith(top))),
    changedWithin: repositories.filter((top) => newer.some(isWithin(top))).map((top) => top.slice(0, -1)),
  };
}

function guestFile(path: string, entry: FileEntry): GuestFile | null {
  if ((entry.type !== "file" && entry.type !== "symlink") || !isTreePath(path)) return null;
  const executable = (entry.mode & 0o100) !== 0;
  return {
    path,
    mode: entry.type === "symlink" ? SYMLINK : executable ? EXECUTABLE : FILE,
    size: entry.size,
    mtimeNs: entry.mtimeNs,
    ctimeNs: entry.ctimeNs,
    target: entry.targetBytes?.toString("latin1") ?? null,
  };
}

/**
 * Compares with what banger put there. @param settledNs guest clock when it had: a file that was touched since may be
 * another, even if size and time are the same. Pure.
 */
export function compareFiles(
  known: readonly IndexEntry[],
  files: readonly GuestFile[],
  settledNs: bigint,
): Comparison {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const unchanged: IndexEntry[] = [];
  const touched: GuestFile[] = [];
  const gone: IndexEntry[] = [];
  for (const entry of known) {
    const file = byPath.get(entry.path);
    byPath.delete(entry.path);
    if (file === undefined) (entry.skipWorktree || entry.mode === SUBMODULE ? unchanged : gone).push(entry);
    else if (isUntouched(entry, file, settledNs)) unchanged.push(entry);
    else touched.push(file);
  }
  return { unchanged, touched, fresh: [...byPath.values()], gone };
}

const NS = 1_000_000_000n;

function isUntouched({ mode, stat }: IndexEntry, file: GuestFile, settledNs: bigint): boolean {
  return (
    mode === file.mode &&
    stat.size === (file.size & 0xffff_ffff) >>> 0 &&
    BigInt.asUintN(32, file.mtimeNs / NS) === BigInt(stat.mtimeS) &&
    file.mtimeNs % NS === BigInt(stat.mtimeNs) &&
    file.ctimeNs < settledNs
  );
}

const tooMany = () =>
  BangerError.of("guest_refused", {
    problem: `its work tree has more than ${MAX_FILES} files`,
    hint: "remove what is not needed",
  });
