/** What of a repository goes into a VM: read from the host alone, changing nothing. */
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { BangerError } from "../core/errors.ts";
import { git } from "../host/git.ts";
import { formatIndex, type IndexEntry, parseIndex } from "./index-file.ts";
import { findRepository, type Head, type Repository, readHead, resolveHead } from "./repository.ts";
import { Shadow } from "./shadow.ts";
import {
  BATCH,
  lookAt,
  RealFolders,
  readable,
  SUBMODULE,
  sameFile,
  type TrackedFile,
  trackedFiles,
  type WorkFile,
} from "./work-tree.ts";

export interface PlanOptions {
  /** Also files that git neither tracks nor ignores. */
  readonly includeUntracked: boolean;
  /** Submodules are no reason to refuse. */
  readonly submodules?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface Plan {
  readonly repository: Repository;
  readonly shadow: Shadow;
  readonly tracked: readonly TrackedFile[];
  /** Everything that is copied, in git's order: tracked files that are there, then untracked ones that were asked for. */
  readonly files: readonly WorkFile[];
  /** How many of them are untracked. */
  readonly untracked: number;
  readonly bytes: number;
  /** Tracked files that are gone from the work tree. */
  readonly deleted: readonly string[];
  /** Untracked files that stay behind. */
  readonly skippedUntracked: number;
  /** What the work tree itself is, when this plan is for another commit. */
  readonly original?: Plan;
  /** File with the index as it was read, in banger's own folder. */
  readonly ownIndex: string;
  /** Identity of the index that this was read from. */
  readonly index: string;
}

/**
 * Reads what would be copied. @param scratch a folder for banger's own repository beside the user's
 * @throws repository_unusable | repository_has_submodules | git_failed | host_packages_missing
 */
export async function planWorkspace(path: string, scratch: string, options: PlanOptions): Promise<Plan> {
  const { signal, includeUntracked } = options;
  const repository = await findRepository(path, signal);
  const shadow = await Shadow.make(scratch, repository);
  const index = await readIndex(repository, scratch, signal);
  if (!options.submodules) refuseSubmodules(repository, index.entries);
  const known = join(scratch, "plan-index");
  await writeFile(known, formatIndex(index.entries, repository.format));
  const [tracked, others] = await Promise.all([
    trackedFiles(repository, index.entries, index.mtimeNs),
    untrackedPaths(shadow, known, signal),
  ]);
  const present = onePerPath(tracked);
  const untracked = includeUntracked ? others.flatMap((other) => lookAt(repository.root, other) ?? []) : [];
  const files = [...present.flatMap(({ file }) => file ?? []), ...untracked];
  return {
    repository,
    shadow,
    tracked,
    files,
    untracked: untracked.length,
    bytes: files.reduce((sum, file) => sum + file.size, 0),
    deleted: deletedOf(present),
    skippedUntracked: includeUntracked ? 0 : others.length,
    ownIndex: known,
    index: index.identity,
  };
}

/** Files that git would miss in the work tree. */
export function deletedOf(tracked: readonly TrackedFile[]): string[] {
  return tracked
    .filter(({ file, entry }) => !file && !entry.skipWorktree && entry.mode !== SUBMODULE)
    .map(({ entry }) => entry.path);
}

/** Refuses at once what could not be copied, before anything is made. @throws as `planWorkspace` */
export async function checkRepository(
  path: string,
  branch: string | null,
  from: string | null,
  submodules = false,
): Promise<Repository> {
  const repository = await findRepository(path);
  await resolveHead(repository, branch, from);
  const scratch = await mkdtemp(join(tmpdir(), "banger-check-"));
  try {
    if (!submodules) refuseSubmodules(repository, (await readIndex(repository, scratch)).entries);
    return repository;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** @throws workspace_changed when the repository is not any more what the plan says */
export async function checkUnchanged({ original, ...own }: Plan): Promise<void> {
  const plan = original ?? own;
  const { repository } = plan;
  const [head, identity] = await Promise.all([
    readHead({ cwd: repository.root }),
    indexIdentity(join(repository.gitDirectory, "index")),
  ]);
  if (!sameHead(head, repository.head)) throw changed(repository, "HEAD");
  if (identity !== plan.index) throw changed(repository, "the index");
  const folders = new RealFolders(repository.root);
  for (const [at, { entry, file }] of onePerPath(plan.tracked).entries()) {
    if (at % BATCH === BATCH - 1) await nextTurn();
    const now = folders.hasReal(entry.path) ? lookAt(repository.root, entry.path) : null;
    if (!sameFile(now, file)) throw changed(repository, readable(entry.path));
  }
}

export const changed = (repository: Repository, what: string): BangerError =>
  BangerError.of("workspace_changed", { what, path: repository.root });

const sameHead = (a: Head, b: Head) => a.ref === b.ref && a.commit === b.commit;

/** A path in conflict has up to three entries, but one file. */
function onePerPath(tracked: readonly TrackedFile[]): TrackedFile[] {
  return tracked.filter(({ entry }, at) => entry.path !== tracked[at - 1]?.entry.path);
}

interface ReadIndex {
  readonly entries: readonly IndexEntry[];
  readonly mtimeNs: bigint;
  readonly identity: string;
}

async function readIndex(repository: Repository, scratch: string, signal?: AbortSignal): Promise<ReadIndex> {
  const file = join(repository.gitDirectory, "index");
  const identity = await indexIdentity(file);
  if (identity === "") return { entries: [], mtimeNs: 0n, identity };
  const { mtimeNs } = await stat(file, { bigint: true });
  const parsed = parseIndex(await readFile(file), repository.format);
  if (!parsed.incomplete) return { entries: parsed.entries, mtimeNs, identity };
  // Only git can put such an index together; it writes the whole into a copy.
  const copy = join(scratch, "whole-index");
  await copyFile(file, copy);
  await git(["update-index", "--no-split-index", "--index-version=2", "--force-write-index"], {
    cwd: repository.root,
    signal,
    env: { GIT_INDEX_FILE: copy },
    settings: ["core.splitIndex=false", "index.sparse=false"],
  });
  return { entries: parseIndex(await readFile(copy), repository.format).entries, mtimeNs, identity };
}

async function indexIdentity(file: string): Promise<string> {
  const info = await stat(file, { bigint: true }).catch(() => null);
  return info ? `${info.dev}:${info.ino}:${info.size}:${info.mtimeNs}` : "";
}

/** Untracked and not ignored. A repository within is one entry that ends in a slash; it is left out. */
async function untrackedPaths(shadow: Shadow, index: string, signal?: AbortSignal): Promise<string[]> {
  const { stdout } = await shadow.git(["ls-files", "--others", "--exclude-standard", "-z"], {
    signal,
    env: { GIT_INDEX_FILE: index },
  });
  return stdout
    .toString("latin1")
    .split("\0")
    .filter((path) => path !== "" && !path.endsWith("/"));
}

function refuseSubmodules(repository: Repository, entries: readonly IndexEntry[]): void {
  const submodules = entries.filter((entry) => entry.mode === SUBMODULE).map((entry) => readable(entry.path));
  if (submodules.length === 0) return;
  const shown = submodules.slice(0, 3).join(", ");
  throw BangerError.of("repository_has_submodules", {
    path: repository.root,
    submodules: submodules.length > 3 ? `${shown} and ${submodules.length - 3} more` : shown,
  });
}
