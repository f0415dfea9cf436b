/** What was done in a guest, as a patch, as changes of the host's work tree, or as a branch of the host's repository. */
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { count } from "../core/units.ts";
import { commitOf, findRepository, type Head, newBranch } from "../git/repository.ts";
import { Shadow } from "../git/shadow.ts";
import { readable } from "../git/work-tree.ts";
import { git } from "../host/git.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import { applyToHost } from "./apply.ts";
import { captureTree, given } from "./capture.ts";
import { GUEST_REF, importCommits, STRICT, STRICT_FETCH } from "./guest-commits.ts";
import { guestHead } from "./guest-head.ts";
import type { Place } from "./prepare.ts";

export interface ExportRequest {
  /** Tell changes apart from this commit instead of from what the guest got. */
  readonly baseCommit: string | null;
  /** Change the host's work tree. */
  readonly apply: boolean;
  /** Make the guest's commits a branch of the host. */
  readonly branch: string | null;
}

export interface ChangedFile {
  readonly path: string;
  /** Lines; null for binary files. */
  readonly added: number | null;
  readonly removed: number | null;
}

export interface Exported {
  /** Trees that the patch leads from and to. */
  readonly from: string;
  readonly to: string;
  readonly head: Head;
  /** Commits that the host does not have. */
  readonly commits: readonly { readonly id: string; readonly subject: string }[];
  readonly files: readonly ChangedFile[];
}

const SHOWN_COMMITS = 1000;
const SHOWN_REPOSITORIES = 20;

/** The shadow of a workspace that was prepared. @throws repository_unusable when the host's repository is gone */
export async function openShadow(directory: string, record: WorkspaceRecord): Promise<Shadow> {
  return Shadow.make(join(directory, "git"), await findRepository(record.root));
}

/**
 * Takes the guest's state over and does with it what was asked for. The guest is only read; the host's work tree and refs change
 * only where `apply` or `branch` ask for it, and then wholly or not at all.
 * @throws workspace_conflict | guest_refused | invalid_argument | repository_unusable | git_failed
 */
export async function exportWorkspace(
  place: Place,
  record: WorkspaceRecord,
  request: ExportRequest,
  work: Work,
): Promise<Exported> {
  const { session } = place;
  const { guestPath } = record;
  const { signal, report } = work;
  const shadow = await openShadow(place.directory, record);
  if (request.branch !== null) await newBranch(shadow.repository, request.branch, "--branch");
  report.stage("reading the guest", guestPath);
  const capture = { session, shadow, guestPath, given: given(record) };
  const { tree: to, changedWithin } = await captureTree(capture, work);
  for (const path of changedWithin.slice(0, SHOWN_REPOSITORIES)) {
    report.notice(
      `${readable(path)} is a repository of its own: what was changed in it is not exported; banger vm cp brings its files`,
    );
  }
  const head = await guestHead(session, guestPath, shadow.repository.format, signal);
  const moved = head.commit !== null && head.commit !== record.head;
  if (moved && head.commit) await importCommits(shadow, { session, guestPath }, head.commit, signal);
  const from = request.baseCommit === null ? record.tree : await baseTree(shadow, request.baseCommit);
  const exported = {
    from,
    to,
    head,
    commits: moved && head.commit ? await newCommits(shadow, head.commit, record, signal) : [],
    files: await changedFiles(shadow, from, to, signal),
  };
  if (request.apply) {
    report.stage("applying", count(exported.files.length, "file"));
    await applyToHost(
      shadow,
      exported,
      exported.files.map((file) => file.path),
      signal,
    );
  }
  if (request.branch !== null) {
    report.stage("making branch", request.branch);
    await makeBranch(shadow, exported, request.branch, signal);
  }
  return exported;
}

async function baseTree(shadow: Shadow, name: string): Promise<string> {
  const commit = await commitOf(shadow.repository, name).then(
    (found) => found ?? importedCommit(shadow, name),
  );
  if (commit === null) {
    throw BangerError.of("invalid_argument", {
      what: "--base-commit",
      problem: `'${name}' is a commit neither of ${shadow.repository.root} nor of the guest's branch`,
      accepted: "a branch, tag or commit of the host, or the id of a commit that the guest's HEAD has",
    });
  }
  const { stdout } = await shadow.git(["rev-parse", "--verify", "--end-of-options", `${commit}^{tree}`]);
  return stdout.toString("latin1").trim();
}

/** A commit of the guest by its id. */
async function importedCommit(shadow: Shadow, name: string): Promise<string | null> {
  if (!/^[0-9a-f]{4,64}$/.test(name)) return null;
  const answer = await shadow.git(["rev-parse", "--quiet", "--verify", `${name}^{commit}`], {
    accept: [1, 128],
  });
  return answer.stdout.toString("latin1").trim() || null;
}

async function newCommits(shadow: Shadow, tip: string, record: WorkspaceRecord, signal: AbortSignal) {
  const known = [record.head, record.hostHead].filter((id) => id !== null);
  const { stdout } = await shadow.git(
    ["log", "-z", "--format=%H %s", `--max-count=${SHOWN_COMMITS}`, tip, "--not", ...new Set(known)],
    { signal },
  );
  const lines = stdout.toString("utf8").split("\0").filter(Boolean);
  return lines.map((line) => ({
    id: line.slice(0, line.indexOf(" ")),
    subject: line.slice(line.indexOf(" ") + 1),
  }));
}

async function changedFiles(
  shadow: Shadow,
  from: string,
  to: string,
  signal: AbortSignal,
): Promise<ChangedFile[]> {
  const { stdout } = await shadow.git(["diff-tree", "-r", "-z", "--numstat", "--no-renames", from, to], {
    signal,
  });
  const lines = stdout.toString("latin1").split("\0").filter(Boolean);
  return lines.map((line) => {
    const [added = "", removed = "", ...path] = line.split("\t");
    const lineCount = (text: string) => (text === "-" ? null : Number(text));
    return { path: path.join("\t"), added: lineCount(added), removed: lineCount(removed) };
  });
}

async function makeBranch(
  shadow: Shadow,
  { head, commits }: Exported,
  branch: string,
  signal: AbortSignal,
): Promise<void> {
  const { root } = shadow.repository;
  if (head.commit === null) {
    throw BangerError.of("guest_refused", {
      problem: "its branch has no commits",
      hint: "commit in the guest first, or export a patch",
    });
  }
  if (commits.length === 0) {
    await git(["update-ref", `refs/heads/${branch}`, head.commit, ""], { cwd: root, signal });
    return;
  }
  await git(["fetch", ...STRICT_FETCH, shadow.directory, `${GUEST_REF}:refs/heads/${branch}`], {
    cwd: root,
    signal,
    settings: STRICT,
  });
}
