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

export interface GuestComparison extends Comparison {
  /** Repositories within, such as submodules, in which something was changed. Their files count nowhere. */
  readonly changedWithin: readonly string[];
}

/**
 * Lists the guest's work tree and compares it with what banger put there. What is unchanged is not kept: it may be very much.
 * @param settledNs guest clock when banger had put it there: a file that was touched since may be another, even if size and
 * time are the same
 * @throws guest_refused | guest_not_found
 */
export async function compareGuest(
  session: GuestSession,
  guestPath: string,
  known: readonly IndexEntry[],
  settledNs: bigint,
  signal?: AbortSignal,
): Promise<GuestComparison> {
  const left = new Map(known.map((entry) => [entry.path, entry]));
  const unchanged: IndexEntry[] = [];
  const [touched, fresh]: [GuestFile[], GuestFile[]] = [[], []];
  const [repositories, newer]: [string[], string[]] = [[], []];
  let count = 0;
  for await (const entry of listTree(session, guestPath, { skip: ".git", signal })) {
    const path = entry.nameBytes.toString("latin1");
    if (path === ".git") continue;
    if (++count > MAX_FILES) throw tooMany();
    if (path.endsWith("/.git")) repositories.push(path.slice(0, -".git".length));
    // What git itself writes when it only looks is below its own folder.
    if (entry.ctimeNs >= settledNs && !/\/\.git(\/|$)/.test(path)) newer.push(path);
    const file = guestFile(path, entry);
    if (!file) continue;
    const before = left.get(path);
    left.delete(path);
    if (!before) fresh.push(file);
    else if (isUntouched(before, file, settledNs)) unchanged.push(before);
    else touched.push(file);
  }
  const expected = ({ skipWorktree, mode }: IndexEntry) => skipWorktree || mode === SUBMODULE;
  const missing = [...left.values()];
  const compared = {
    unchanged: [...unchanged, ...missing.filter(expected)],
    touched,
    fresh,
    gone: missing.filter((entry) => !expected(entry)),
  };
  return repositories.length === 0
    ? { ...compared, changedWithin: [] }
    : withoutRepositories(compared, repositories, newer);
}

/** What lies in a repository of its own is not this repository's. @param newer what was changed since banger had put it there */
function withoutRepositories(
  { unchanged, touched, fresh, gone }: Comparison,
  repositories: readonly string[],
  newer: readonly string[],
): GuestComparison {
  const isOwn = ({ path }: { readonly path: string }) => !repositories.some((top) => path.startsWith(top));
  const lost = [...unchanged.filter((entry) => !isOwn(entry))];
  return {
    unchanged: unchanged.filter(isOwn),
    touched: touched.filter(isOwn),
    fresh: fresh.filter(isOwn),
    gone: [...gone, ...lost],
    changedWithin: repositories
      .filter((top) => newer.some((path) => `${path}/`.startsWith(top)))
      .map((top) => top.slice(0, -1)),
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
