/** Brings a repository of the host into a guest, exactly as it is there. */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, posix } from "node:path";
import { Readable } from "node:stream";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { formatSize } from "../core/units.ts";
import { shallowHistory, writePack } from "../git/history.ts";
import { changed, checkUnchanged, type Plan, planWorkspace } from "../git/plan.ts";
import { type Head, resolveHead } from "../git/repository.ts";
import { snapshot } from "../git/snapshot.ts";
import {
  failureStatus,
  type GuestSession,
  listFiles,
  makeDirectory,
  moveFile,
  removeFile,
  statFile,
  writeArchive,
} from "../guest/index.ts";
import type { WorkspaceRecord } from "../store/workspaces.ts";
import { archive, type Source, workMember } from "./archive.ts";
import { rememberPack } from "./guest-commits.ts";
import { newRepository } from "./guest-repository.ts";

export const GUEST_PATH = "/root/repo";
/** As `git clone --depth`. */
const DEPTH = 10;

export interface PrepareRequest {
  /** A folder of the host's repository. */
  readonly path: string;
  readonly guestPath: string;
  readonly includeUntracked: boolean;
  readonly readOnly: boolean;
  /** New branch for the guest, at `from` or HEAD. */
  readonly branch: string | null;
  readonly from: string | null;
  /** Replace what is at the guest path. */
  readonly force: boolean;
}

export interface Place {
  readonly vmId: string;
  readonly session: GuestSession;
  /** Folder of the host for this workspace alone; no VM's monitor can see it. */
  readonly directory: string;
}

/**
 * Copies the repository into the guest; there it appears in one step, or not at all.
 * @throws repository_unusable | repository_has_submodules | workspace_changed | workspace_in_the_way | guest_no_space | git_failed
 */
export async function prepareWorkspace(
  place: Place,
  request: PrepareRequest,
  work: Work,
): Promise<WorkspaceRecord> {
  const { directory } = place;
  const { report, signal } = work;
  report.stage("reading repository", request.path);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const plan = await planWorkspace(request.path, join(directory, "git"), {
    includeUntracked: request.includeUntracked,
    signal,
  });
  const head = await resolveHead(plan.repository, request.branch, request.from);
  const scratch = await mkdtemp(join(directory, "pack-"));
  try {
    noteSkipped(plan, report);
    report.stage("packing history");
    const [{ pack, shallow }, tree] = await Promise.all([
      packHistory(plan, head, scratch, signal),
      snapshot(plan, signal),
    ]);
    report.stage("copying", `${plan.files.length} files, ${formatSize(plan.bytes)}`);
    const { repository, tracked } = plan;
    const sources = [
      ...(await newRepository({ repository, head, tracked, shallow, pack })),
      ...plan.files.map((file) => workMember(repository.root, file, "", request.readOnly)),
    ];
    await placeTree(place, request, plan, sources, work);
    if (pack) await rememberPack(plan.shadow, pack.name);
    const { ctimeNs } = await statFile(place.session, request.guestPath);
    return {
      vmId: place.vmId,
      root: repository.root,
      guestPath: request.guestPath,
      branch: head.ref?.replace(/^refs\/heads\//, "") ?? null,
      head: head.commit,
      hostHead: repository.head.commit,
      tree,
      includeUntracked: request.includeUntracked,
      readOnly: request.readOnly,
      files: plan.files.length,
      bytes: plan.bytes,
      preparedAt: Date.now(),
      settledNs: String(ctimeNs),
      pendingTree: null,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function noteSkipped({ skippedUntracked: count }: Plan, report: Work["report"]): void {
  if (count === 0) return;
  report.notice(
    `${count} untracked file${count === 1 ? "" : "s"} left out; --include-untracked copies them, too`,
  );
}

async function packHistory(plan: Plan, head: Head, folder: string, signal: AbortSignal) {
  const { shadow, tracked, repository } = plan;
  const staged = tracked.map(({ entry }) => entry.oid);
  if (head.commit === null) {
    return {
      shallow: [],
      pack: await writePack(shadow, { wanted: staged, had: [], shallow: [] }, folder, signal),
    };
  }
  const { shallow } = await shallowHistory(shadow, head.commit, DEPTH, signal);
  const own = repository.head.commit === null ? staged : await stagedBlobs(plan, signal);
  const pack = await writePack(shadow, { wanted: [head.commit, ...own], had: [], shallow }, folder, signal);
  return { shallow, pack };
}

/** Blobs of the index that HEAD does not have. */
async function stagedBlobs({ shadow, repository, tracked }: Plan, signal: AbortSignal): Promise<string[]> {
  const { stdout } = await shadow.git(["ls-tree", "-r", "-z", "--full-tree", repository.head.commit ?? ""], {
    signal,
  });
  const committed = new Set<string>();
  for (const line of stdout.toString("latin1").split("\0")) committed.add(line.split(/[ \t]/, 3)[2] ?? "");
  return [...new Set(tracked.map(({ entry }) => entry.oid))].filter((oid) => !committed.has(oid));
}

/** Unpacks beside the guest path and renames, so that nobody sees half a tree. */
async function placeTree(
  { session }: Place,
  request: PrepareRequest,
  plan: Plan,
  sources: readonly Source[],
  work: Work,
): Promise<void> {
  const { guestPath } = request;
  await checkPlace(session, request);
  const { dir, base } = posix.parse(guestPath);
  const beside = posix.join(dir, `.${base}.banger-${process.hrtime.bigint().toString(36)}`);
  await makeDirectory(session, beside, { parents: true });
  try {
    const bytes = archive(
      sources,
      (path) => changed(plan.repository, path),
      (done) => work.report.progress({ done, unit: "bytes" }),
    );
    const stream = Readable.from(bytes, { objectMode: false });
    await sendTree(session, beside, stream, work.signal);
    await checkUnchanged(plan);
    await removeFile(session, guestPath, { recursive: request.force, missingOk: true });
    await moveFile(session, beside, guestPath);
  } catch (error) {
    await removeFile(session, beside, { recursive: true, missingOk: true }).catch(() => {});
    throw error;
  }
}

/** @throws guest_no_space, and what writing an archive throws */
async function sendTree(
  session: GuestSession,
  path: string,
  stream: Readable,
  signal: AbortSignal,
): Promise<void> {
  let broken: unknown;
  stream.once("error", (error) => {
    broken = error;
  });
  await writeArchive(session, path, stream, { signal }).catch((error: Error) => {
    if (broken) throw broken;
    if (failureStatus(error) === "no_space") {
      throw BangerError.of("guest_no_space", { path }, { cause: error });
    }
    throw error;
  });
  stream.destroy();
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
