/** Brings a workspace that a guest has already up to the host's state: only what differs moves, and no work of the guest's is lost unasked. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { count, formatSize } from "../core/units.ts";
import { parseIndex } from "../git/index-file.ts";
import { checkUnchanged, type Plan } from "../git/plan.ts";
import type { Head } from "../git/repository.ts";
import type { Shadow } from "../git/shadow.ts";
import { diffTrees } from "../git/tree-diff.ts";
import { readable } from "../git/work-tree.ts";
import { type GuestSession, removeFile } from "../guest/index.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import { workMember } from "./archive.ts";
import { captureTree, entriesOf, given, guestIndexBytes } from "./capture.ts";
import { type PackedHistory, sendMembers } from "./delivery.ts";
import { eachOf } from "./fetch.ts";
import { guestHead } from "./guest-head.ts";
import { indexFile, MARK, note, packFiles, position, shallowFile } from "./guest-repository.ts";
import type { Place, PrepareRequest } from "./prepare.ts";
import { planUpdate, type Update } from "./update.ts";

/** File of the shadow: the index that the guest got. */
export const SENT_INDEX = "sent-index";
const AT_ONCE = 32;
const SHOWN = 10;

export interface Refresh {
  readonly plan: Plan;
  readonly previous: WorkspaceRecord;
  readonly head: Head;
  readonly history: PackedHistory;
  /** The host's work tree now. */
  readonly tree: string;
}

/** What a guest's checkout is now. */
export interface Seen {
  readonly head: Head;
  readonly tree: string;
}

export interface Moved {
  readonly files: number;
  readonly bytes: number;
}

/** Only reads; nothing of the host's work tree is needed for it. */
export async function lookAtGuest(
  session: GuestSession,
  plan: Plan,
  previous: WorkspaceRecord,
  work: Work,
): Promise<Seen> {
  const { guestPath } = previous;
  const [head, { tree }] = await Promise.all([
    guestHead(session, guestPath, plan.repository.format, work.signal),
    captureTree({ session, shadow: plan.shadow, guestPath, given: given(previous) }, work),
  ]);
  return { head, tree };
}

/**
 * @returns what moved, or null when the guest's repository is gone or was asked to be replaced as a whole
 * @throws workspace_guest_changes with a list, unless forced
 */
export async function refreshWorkspace(
  place: Place,
  request: PrepareRequest,
  refresh: Refresh,
  { head: now, tree: guestTree }: Seen,
  work: Work,
): Promise<Moved | null> {
  const { session } = place;
  const { previous } = refresh;
  const { guestPath } = previous;
  work.report.stage("comparing with the guest");
  const update = await differences(refresh, guestTree, work.signal);
  const lost = [
    ...(await lostCommits(refresh, now, work.signal)),
    ...(await lostStaging(session, refresh, guestTree, work.signal)),
    ...update.lost.map(readable),
  ];
  if (lost.length > 0 && !request.force) throw guestChanges(guestPath, lost);
  if (now.commit === null && previous.head !== null) return null;
  place.save({ ...previous, pendingTree: refresh.tree });
  checkpoint("workspace.pending");
  return move(place, request, refresh, update, lost.length > 0 ? now.commit : null, work);
}

async function differences(
  { plan, previous, tree }: Refresh,
  guestTree: string,
  signal: AbortSignal,
): Promise<Update> {
  const { shadow } = plan;
  const [givenToGuest, guestToWanted, guestToPending] = await Promise.all([
    diffTrees(shadow, previous.tree, guestTree, signal),
    diffTrees(shadow, guestTree, tree, signal),
    previous.pendingTree === null ? null : diffTrees(shadow, guestTree, previous.pendingTree, signal),
  ]);
  return planUpdate({ givenToGuest, guestToWanted, guestToPending });
}

/** Commits of the guest that the host's new HEAD does not have. */
async function lostCommits(
  { plan, previous, head }: Refresh,
  now: Head,
  signal: AbortSignal,
): Promise<string[]> {
  if (now.commit === previous.head || now.commit === head.commit) return [];
  if (now.commit === null) return [".git is gone"];
  if (head.commit && (await isAncestor(plan.shadow, now.commit, head.commit, signal))) return [];
  return [`commits up to ${now.commit.slice(0, 12)}`];
}

async function isAncestor(shadow: Shadow, commit: string, of: string, signal: AbortSignal): Promise<boolean> {
  const args = ["merge-base", "--is-ancestor", commit, of];
  return (await shadow.git(args, { accept: [1, 128], signal })).code === 0;
}

/** Contents that are staged in the guest and stand nowhere else. */
async function lostStaging(
  session: GuestSession,
  { plan: { shadow }, previous: { guestPath } }: Refresh,
  guestTree: string,
  signal: AbortSignal,
): Promise<string[]> {
  const [now, then] = await Promise.all([
    guestIndexBytes({ session, guestPath }, signal),
    readFile(join(shadow.directory, SENT_INDEX)).catch(() => null),
  ]);
  if (now === null || then?.equals(now)) return [];
  const staged = entriesOf(now, shadow);
  if (!staged) return [];
  const sent = then ? parseIndex(then, shadow.repository.format).entries : [];
  const known = new Set(sent.map((entry) => `${entry.oid} ${entry.path}`));
  const unknown = staged.filter((entry) => !known.has(`${entry.oid} ${entry.path}`));
  if (unknown.length === 0) return [];
  const { stdout } = await shadow.git(["ls-tree", "-r", "-z", "--full-tree", guestTree], { signal });
  const there = new Set<string>();
  for (const line of stdout.toString("latin1").split("\0")) {
    const tab = line.indexOf("\t");
    there.add(`${line.slice(0, tab).split(" ")[2]} ${line.slice(tab + 1)}`);
  }
  return unknown
    .filter((entry) => !there.has(`${entry.oid} ${entry.path}`))
    .map((entry) => `${readable(entry.path)} (staged)`);
}

async function move(
  place: Place,
  request: PrepareRequest,
  { plan, previous, head, history }: Refresh,
  update: Update,
  replaced: string | null,
  work: Work,
): Promise<Moved> {
  const { session } = place;
  const { guestPath } = previous;
  const { repository } = plan;
  const wanted = new Set(update.send);
  const files = plan.files.filter((file) => wanted.has(file.path));
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  work.report.stage("copying", `${count(files.length, "file")}, ${formatSize(bytes)}`);
  const members = [
    ...(history.pack ? packFiles(history.pack, repository.isPartial) : []),
    ...files.map((file) => workMember(repository.root, file, "", request.readOnly)),
  ];
  await removeFiles(place, guestPath, update.remove);
  await sendMembers(session, guestPath, plan, members, work);
  checkpoint("workspace.moved");
  await checkUnchanged(plan);
  // Where the repository stands comes last: what it points to is there then.
  const standing = [
    ...(replaced ? [note("refs/banger/replaced", `${replaced}\n`)] : []),
    ...shallowFile(history.shallow),
    ...position(head),
    indexFile(plan.tracked, repository),
    note(MARK.name, MARK.content),
  ];
  await sendMembers(session, guestPath, plan, standing, work);
  return { files: files.length + update.remove.length, bytes };
}

/** Also folders that are empty then, as git does. */
async function removeFiles({ session }: Place, guestPath: string, paths: readonly string[]): Promise<void> {
  const at = (path: string) => Buffer.concat([Buffer.from(`${guestPath}/`), Buffer.from(path, "latin1")]);
  await eachOf(paths, AT_ONCE, (path) => removeFile(session, at(path), { missingOk: true }));
  const folders = new Set<string>();
  for (const path of paths) {
    for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
      folders.add(path.slice(0, end));
  }
  const deepestFirst = [...folders].sort((a, b) => b.length - a.length);
  for (const folder of deepestFirst)
    await removeFile(session, at(folder), { missingOk: true }).catch(() => {});
}

function guestChanges(path: string, lost: readonly string[]): BangerError {
  const shown = lost.slice(0, SHOWN).join(", ");
  const files = lost.length > SHOWN ? `${shown} and ${lost.length - SHOWN} more` : shown;
  return BangerError.of("workspace_guest_changes", { path, files }, { details: { changes: lost } });
}
