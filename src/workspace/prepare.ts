/** Brings a repository of the host into a guest, exactly as it is there. */
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { formatSize } from "../core/units.ts";
import { carryEdits } from "../git/carry.ts";
import { checkUnchanged, type Plan, planWorkspace } from "../git/plan.ts";
import { type Head, resolveHead } from "../git/repository.ts";
import { NEXT_INDEX, snapshot } from "../git/snapshot.ts";
import {
  type GuestSession,
  listFiles,
  makeDirectory,
  moveFile,
  removeFile,
  statFile,
  writeFile as writeGuestFile,
} from "../guest/index.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import { workMember } from "./archive.ts";
import { type PackedHistory, packHistory, SENT_SHALLOW, sendMembers } from "./delivery.ts";
import { rememberPack } from "./guest-commits.ts";
import { indexBytes, newRepository } from "./guest-repository.ts";
import { type Moved, refreshWorkspace, SENT_INDEX } from "./refresh.ts";
import { type Submodules, submoduleMembers, submodulePaths } from "./submodules.ts";

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
  const read = await planWorkspace(request.path, join(directory, "git"), {
    includeUntracked: request.includeUntracked,
    submodules: request.fullCopy,
    signal,
  });
  const previous = await stillThere(place, request, read);
  const head = await targetHead(read, request, previous);
  const scratch = await mkdtemp(join(directory, "pack-"));
  try {
    noteSkipped(read, report);
    report.stage("packing history");
    const whole = await snapshot(read, signal);
    const { plan, tree } = await carryEdits(read, whole, head.commit ?? "", scratch, signal);
    const depth = request.fullCopy ? null : undefined;
    const history = await packHistory(plan, head, previous?.head ?? null, scratch, signal, depth);
    const target = { plan, head, history, tree };
    const moved = previous && (await refreshWorkspace(place, request, { ...target, previous }, work));
    if (moved) await settle(place, request, { ...target, moved });
    else await placeNew(place, request, target, previous !== null, scratch, work);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
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
  await placeTree(place, forced, { ...target, history, submodules }, work);
  await settle(place, request, {
    ...target,
    history,
    moved: { files: plan.files.length, bytes: plan.bytes },
  });
}

/** The former workspace, if this request is about it and the guest still has it. */
async function stillThere(
  place: Place,
  request: PrepareRequest,
  plan: Plan,
): Promise<WorkspaceRecord | null> {
  const { previous, session } = place;
  if (previous?.guestPath !== request.guestPath || previous.root !== plan.repository.root) return null;
  // Submodules are repositories of their own; they are brought anew or not at all.
  if (submodulePaths(plan).length > 0) return null;
  const there = await statFile(session, request.guestPath).catch(() => null);
  return there?.type === "dir" ? previous : null;
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

/** What the guest is to have. */
interface Target {
  readonly plan: Plan;
  readonly head: Head;
  readonly history: PackedHistory;
  readonly tree: string;
}

/** What the guest has now is what later changes are told apart from. */
async function settle(
  { session, vmId, previous, save }: Place,
  request: PrepareRequest,
  { plan, head, history, tree, moved }: Target & { readonly moved: Moved },
): Promise<void> {
  const { repository, shadow, tracked } = plan;
  if (history.pack) await rememberPack(shadow, history.pack.name);
  await writeFile(join(shadow.directory, SENT_SHALLOW), history.shallow.join("\n"));
  await writeFile(join(shadow.directory, SENT_INDEX), indexBytes(tracked, repository));
  await rename(join(shadow.directory, NEXT_INDEX), join(shadow.directory, "index"));
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
    ...moved,
    preparedAt: Date.now(),
    settledNs: String(await guestTime(session, request.guestPath)),
    pendingTree: null,
  });
}

/** The guest's own clock, as its files get it. */
async function guestTime(session: GuestSession, guestPath: string): Promise<bigint> {
  const mark = `${guestPath}/.git/banger`;
  await writeGuestFile(session, mark, Buffer.from("prepared by banger\n"));
  return (await statFile(session, mark)).ctimeNs;
}

function noteSkipped({ skippedUntracked: count }: Plan, report: Work["report"]): void {
  if (count === 0) return;
  report.notice(
    `${count} untracked file${count === 1 ? "" : "s"} left out; --include-untracked copies them, too`,
  );
}

/** Unpacks beside the guest path and renames, so that nobody sees half a tree. */
async function placeTree(
  { session }: Place,
  request: PrepareRequest,
  { plan, head, history, submodules }: Target & { readonly submodules: Submodules },
  work: Work,
): Promise<void> {
  const { guestPath } = request;
  await checkPlace(session, request);
  const { dir, base } = posix.parse(guestPath);
  const beside = posix.join(dir, `.${base}.banger-${process.hrtime.bigint().toString(36)}`);
  const { repository, tracked } = plan;
  const sources = [
    ...(await newRepository({ repository, head, tracked, ...history })),
    ...plan.files.map((file) => workMember(repository.root, file, "", request.readOnly)),
    ...submodules.members,
  ];
  work.report.stage("copying", `${plan.files.length} files, ${formatSize(plan.bytes)}`);
  await makeDirectory(session, beside, { parents: true });
  try {
    await sendMembers(session, beside, plan, sources, work);
    await checkUnchanged(plan);
    await submodules.checkUnchanged();
    await removeFile(session, guestPath, { recursive: request.force, missingOk: true });
    await moveFile(session, beside, guestPath);
  } catch (error) {
    await removeFile(session, beside, { recursive: true, missingOk: true }).catch(() => {});
    throw error;
  }
}

/** @throws workspace_in_the_way when something is there that would be lost */
async function checkPlace(session: GuestSession, { guestPath, force }: PrepareRequest): Promise<void> {
  if (force) return;
  const there = await statFile(session, guestPath).catch((error: BangerError) => {
    if (error.code === "guest_not_found") return null;
    throw error;
  });
  if (!there) return;
  // An empty folder is given way to.
  if (there.type === "dir" && (await listFiles(session, guestPath).next()).done) return;
  throw BangerError.of("workspace_in_the_way", { path: guestPath });
}
