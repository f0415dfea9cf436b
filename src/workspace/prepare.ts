/** Brings a repository of the host into a guest, exactly as it is there. */
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import { count } from "../core/units.ts";
import { carryEdits } from "../git/carry.ts";
import { type Plan, planWorkspace } from "../git/plan.ts";
import { type Head, resolveHead } from "../git/repository.ts";
import { NEXT_INDEX, snapshot } from "../git/snapshot.ts";
import { type GuestSession, statFile, writeFile as writeGuestFile } from "../guest/index.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import { packHistory, SENT_SHALLOW } from "./delivery.ts";
import { rememberPack } from "./guest-commits.ts";
import { indexBytes, MARK } from "./guest-repository.ts";
import { placeTree, type Target } from "./placing.ts";
import { lookAtGuest, type Moved, refreshWorkspace, SENT_INDEX } from "./refresh.ts";
import { submoduleMembers, submodulePaths } from "./submodules.ts";

export const GUEST_PATH = "/root/repo";

export interface PrepareRequest {
  /** A folder of the host's repository. */
  readonly path: string;
  readonly guestPath: string;
  readonly includeUntracked: boolean;
  readonly readOnly: boolean;
  /** New branch for the guest, at `from` or HEAD. */
  readonly branch: string | null;
  readonly from: string | null;
  /** All of the history, and submodules with their files. */
  readonly fullCopy: boolean;
  /** Replace what is at the guest path. */
  readonly force: boolean;
}

export interface Place {
  readonly vmId: string;
  readonly session: GuestSession;
  /** Folder of the host for this workspace alone; no VM's monitor can see it. */
  readonly directory: string;
  /** What was prepared before; null when nothing was. */
  readonly previous: WorkspaceRecord | null;
  /** Keeps the record, so that it outlives this process. */
  save(record: WorkspaceRecord): void;
}

/**
 * Copies the repository into the guest. There it appears in one step, or not at all; a workspace that is there already is brought
 * up to date, and only what differs moves.
 * @throws repository_unusable | repository_has_submodules | workspace_changed | workspace_in_the_way | workspace_guest_changes |
 * guest_no_space | git_failed
 */
export async function prepareWorkspace(place: Place, request: PrepareRequest, work: Work): Promise<void> {
  const { directory } = place;
  const { report, signal } = work;
  report.stage("reading repository", request.path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await removeScratch(directory);
  const there = statFile(place.session, request.guestPath).catch(() => null); // while the host is read
  const read = await planWorkspace(request.path, join(directory, "git"), {
    includeUntracked: request.includeUntracked,
    submodules: request.fullCopy,
    signal,
  });
  checkpoint("workspace.read");
  const previous = (await there)?.type === "dir" ? former(place, request, read) : null;
  const head = await targetHead(read, request, previous);
  const scratch = await mkdtemp(join(directory, SCRATCH));
  try {
    noteSkipped(read, report);
    report.stage("packing history");
    const [target, seen] = await bothOf(
      signal,
      (until) => pack(read, head, request, previous?.head ?? null, scratch, until),
      async (until) => previous && lookAtGuest(place.session, read, previous, { report, signal: until }),
    );
    const moved =
      previous && seen && (await refreshWorkspace(place, request, { ...target, previous }, seen, work));
    if (moved) await settle(place, request, { ...target, moved });
    else await placeNew(place, request, target, previous !== null, scratch, work);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Works of two machines at a time: when one fails the other is ended, too, and waited for. */
async function bothOf<A, B>(
  signal: AbortSignal,
  one: (signal: AbortSignal) => Promise<A>,
  other: (signal: AbortSignal) => Promise<B>,
): Promise<[A, B]> {
  const failed = new AbortController();
  const until = AbortSignal.any([signal, failed.signal]);
  const works = [one(until), other(until)] as const;
  try {
    return await Promise.all(works);
  } finally {
    failed.abort();
    await Promise.allSettled(works);
  }
}

/** What the guest is to have, from the host alone. @param had commit that the guest got before */
async function pack(
  read: Plan,
  head: Head,
  request: PrepareRequest,
  had: string | null,
  scratch: string,
  signal: AbortSignal,
): Promise<Target> {
  const whole = await snapshot(read, signal);
  const { plan, tree } = await carryEdits(read, whole, head.commit ?? "", scratch, signal);
  const depth = request.fullCopy ? null : undefined;
  return { plan, head, tree, history: await packHistory(plan, head, had, scratch, signal, depth) };
}

const SCRATCH = "scratch-";

/** What was under way when a daemon ended. */
async function removeScratch(directory: string): Promise<void> {
  const half = (await readdir(directory)).filter(
    (name) => name.startsWith(SCRATCH) || /^git-\w+-/.test(name),
  );
  for (const name of half) await rm(join(directory, name), { recursive: true, force: true });
}

/** @param isLost the guest had the repository once, and needs all of its history again */
async function placeNew(
  place: Place,
  request: PrepareRequest,
  target: Target,
  isLost: boolean,
  scratch: string,
  work: Work,
): Promise<void> {
  const { plan, head } = target;
  const { includeUntracked, readOnly, fullCopy } = request;
  const depth = fullCopy ? null : undefined;
  const history = isLost ? await packHistory(plan, head, null, scratch, work.signal, depth) : target.history;
  const { directory } = place;
  const options = { directory, scratch, includeUntracked, readOnly, signal: work.signal };
  const submodules = await submoduleMembers(plan, options);
  const forced = isLost ? { ...request, force: true } : request;
  await placeTree(place.session, forced, { ...target, history, submodules }, work);
  const mark = `${request.guestPath}/.git/${MARK.name}`;
  await writeGuestFile(place.session, mark, Buffer.from(MARK.content));
  await settle(place, request, {
    ...target,
    history,
    moved: { files: plan.files.length, bytes: plan.bytes },
  });
}

/** The former workspace, if this request is about it. */
function former({ previous }: Place, request: PrepareRequest, plan: Plan): WorkspaceRecord | null {
  if (previous?.guestPath !== request.guestPath || previous.root !== plan.repository.root) return null;
  // Submodules are repositories of their own; they are brought anew or not at all.
  return submodulePaths(plan).length > 0 ? null : previous;
}

/** A branch that was made for the guest stays its branch. */
async function targetHead(
  plan: Plan,
  request: PrepareRequest,
  previous: WorkspaceRecord | null,
): Promise<Head> {
  const { repository } = plan;
  if (request.branch !== null || !previous?.ownBranch || previous.branch === null) {
    return resolveHead(repository, request.branch, request.from);
  }
  return { ref: `refs/heads/${previous.branch}`, commit: repository.head.commit };
}

/** What the guest has now is what later changes are told apart from. */
async function settle(
  { session, vmId, previous, save }: Place,
  request: PrepareRequest,
  { plan, head, history, tree, moved }: Target & { readonly moved: Moved },
): Promise<void> {
  const { repository, shadow, tracked } = plan;
  const settledNs = String(await timeOfMark(session, request.guestPath));
  if (history.pack) await rememberPack(shadow, history.pack.name);
  await writeFile(join(shadow.directory, SENT_SHALLOW), history.shallow.join("\n"));
  await writeFile(join(shadow.directory, SENT_INDEX), indexBytes(tracked, repository));
  await rename(join(shadow.directory, NEXT_INDEX), join(shadow.directory, "index"));
  checkpoint("workspace.settled");
  save({
    vmId,
    root: repository.root,
    guestPath: request.guestPath,
    branch: head.ref?.replace(/^refs\/heads\//, "") ?? null,
    ownBranch: request.branch !== null || (previous?.ownBranch ?? false),
    head: head.commit,
    hostHead: repository.head.commit,
    tree,
    includeUntracked: request.includeUntracked,
    readOnly: request.readOnly,
    fullCopy: request.fullCopy,
    ...moved,
    preparedAt: Date.now(),
    settledNs,
    pendingTree: null,
  });
}

/** The guest's own clock, as its files get it. */
async function timeOfMark(session: GuestSession, guestPath: string): Promise<bigint> {
  return (await statFile(session, `${guestPath}/.git/${MARK.name}`)).ctimeNs;
}

function noteSkipped({ skippedUntracked: skipped }: Plan, report: Work["report"]): void {
  if (skipped === 0) return;
  report.notice(`${count(skipped, "untracked file")} left out; --include-untracked copies them, too`);
}
