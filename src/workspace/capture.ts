/**
 * The guest's work tree as a git tree on the host. The guest only lists and gives files; git runs on the host, in banger's own
 * repository, over files under checked names: nothing in the guest is changed, and nothing of the guest's runs.
 */
import { mkdir, mkdtemp, readFile as readHostFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { basename } from "node:path/posix";
import { buffer } from "node:stream/consumers";
import type { Work } from "../core/stage.ts";
import { MIB } from "../core/units.ts";
import { type IndexEntry, NO_STAT, parseIndex } from "../git/index-file.ts";
import type { Shadow } from "../git/shadow.ts";
import { TreeBuilder } from "../git/tree-builder.ts";
import { SYMLINK } from "../git/work-tree.ts";
import { type GuestSession, readFile } from "../guest/index.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import { Budget, fetchFiles } from "./fetch.ts";
import { type Comparison, compareGuest, type GuestFile } from "./guest-files.ts";

const MAX_INDEX = 256 * MIB;

export interface CaptureRequest {
  readonly session: GuestSession;
  readonly shadow: Shadow;
  readonly guestPath: string;
  /** What the guest got: the tree, and the guest's clock when banger had put it there. */
  readonly given: { readonly tree: string; readonly settledNs: bigint };
}

/** As a record remembers it. */
export const given = ({ tree, settledNs }: WorkspaceRecord): CaptureRequest["given"] => ({
  tree,
  settledNs: BigInt(settledNs),
});

export interface Captured {
  /** The tree's id. */
  readonly tree: string;
  /** Repositories within in which something was changed: nothing of theirs is in the tree. */
  readonly changedWithin: readonly string[];
}

/** Everything in the guest's work tree but what its own rules ignore. */
export async function captureTree(request: CaptureRequest, work: Work): Promise<Captured> {
  const { session, shadow, guestPath, given } = request;
  const known = parseIndex(
    await readHostFile(join(shadow.directory, "index")),
    shadow.repository.format,
  ).entries;
  const compared = await compareGuest(session, guestPath, known, given.settledNs, work.signal);
  const { changedWithin } = compared;
  if (!hasChanges(compared)) return { tree: given.tree, changedWithin };
  const folder = await mkdtemp(`${shadow.directory}-capture-`);
  try {
    return { tree: await buildTree(request, compared, folder, work), changedWithin };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const hasChanges = ({ touched, fresh, gone }: Comparison) => touched.length + fresh.length + gone.length > 0;

async function buildTree(
  request: CaptureRequest,
  { unchanged, touched, fresh }: Comparison,
  folder: string,
  { signal, report }: Work,
): Promise<string> {
  const { session, shadow, guestPath } = request;
  const workTree = join(folder, "tree");
  await mkdir(workTree, { mode: 0o700 });
  const builder = new TreeBuilder(shadow, join(folder, "index"), workTree, signal);
  const budget = new Budget(report);
  const fetch = (files: readonly GuestFile[]) =>
    fetchFiles(session, guestPath, files.filter(isRegular), workTree, budget, signal);

  // What is ignored is decided first: it may be much, and none of it is wanted.
  const rules = [...touched, ...fresh].filter((file) => basename(file.path) === ".gitignore");
  await fetch(rules);
  const kept = unchanged.map((entry) => ({ ...entry, skipWorktree: true }));
  await builder.start(kept);
  const wanted = [...touched, ...(await withoutIgnored(request, fresh, builder, signal))];
  const fetched = new Set(rules);
  await fetch(wanted.filter((file) => !fetched.has(file)));

  const links = await linkEntries(
    wanted.filter((file) => !isRegular(file)),
    folder,
    builder,
  );
  if (links.length > 0) await builder.start([...kept, ...links]);
  await builder.add(wanted.filter(isRegular).map((file) => file.path));
  return builder.tree();
}

const isRegular = (file: GuestFile) => file.mode !== SYMLINK;

/** Files that the guest's git tracks count, ignored or not. */
async function withoutIgnored(
  request: CaptureRequest,
  fresh: readonly GuestFile[],
  builder: TreeBuilder,
  signal: AbortSignal,
): Promise<GuestFile[]> {
  const ignored = await builder.ignored(fresh.map((file) => file.path));
  if (ignored.size === 0) return [...fresh];
  const entries = await guestIndex(request, signal);
  const tracked = new Set(entries?.map((entry) => entry.path));
  return fresh.filter(({ path }) => !ignored.has(path) || tracked.has(path));
}

/** The index of the guest's own git; null when there is none that can be read. */
async function guestIndex(
  request: CaptureRequest,
  signal: AbortSignal,
): Promise<readonly IndexEntry[] | null> {
  const bytes = await guestIndexBytes(request, signal);
  return bytes && entriesOf(bytes, request.shadow);
}

/** Its bytes, whatever they are; null when there is none. */
export async function guestIndexBytes(
  { session, guestPath }: Pick<CaptureRequest, "session" | "guestPath">,
  signal: AbortSignal,
): Promise<Buffer | null> {
  try {
    return await buffer(await readFile(session, `${guestPath}/.git/index`, { limit: MAX_INDEX, signal }));
  } catch {
    signal.throwIfAborted();
    return null;
  }
}

/** null when it is damaged, or a part of it stands elsewhere. */
export function entriesOf(index: Buffer, { repository }: Shadow): readonly IndexEntry[] | null {
  try {
    const { entries, incomplete } = parseIndex(index, repository.format);
    return incomplete ? null : entries;
  } catch {
    return null;
  }
}

/** Symlinks never become symlinks on the host: their targets are made blobs from files. */
async function linkEntries(
  links: readonly GuestFile[],
  folder: string,
  builder: TreeBuilder,
): Promise<IndexEntry[]> {
  const targets = join(folder, "links");
  await mkdir(targets, { mode: 0o700 });
  const paths = links.map((_, at) => join(targets, String(at)));
  for (const [at, link] of links.entries()) await writeFile(paths[at] ?? "", link.target ?? "", "latin1");
  const blobs = await builder.blobs(paths);
  return links.map(({ path, mode }, at) => ({
    path,
    mode,
    oid: blobs[at] ?? "",
    stage: 0,
    assumeValid: false,
    skipWorktree: false,
    intentToAdd: false,
    stat: NO_STAT,
  }));
}
