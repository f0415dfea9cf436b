/** What goes to a guest: the pack of history, and archives. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { type Pack, shallowHistory, writePack } from "../git/history.ts";
import { changed, type Plan } from "../git/plan.ts";
import type { Head } from "../git/repository.ts";
import type { Shadow } from "../git/shadow.ts";
import { SUBMODULE, type TrackedFile } from "../git/work-tree.ts";
import { failureStatus, type GuestSession, writeArchive } from "../guest/index.ts";
import { archive, type Source } from "./archive.ts";

/** As `git clone --depth`. */
const DEPTH = 10;

export interface PackedHistory {
  readonly shallow: readonly string[];
  readonly pack: Pack | null;
}

/** @param had commit that the guest got before, with its history */
export async function packHistory(
  plan: Plan,
  head: Head,
  had: string | null,
  folder: string,
  signal: AbortSignal,
  depth: number | null = DEPTH,
): Promise<PackedHistory> {
  const { shadow, tracked } = plan;
  const staged = await stagedBlobs(plan, head.commit, signal);
  if (head.commit === null) {
    const all = blobsOf(tracked);
    return {
      shallow: [],
      pack: await writePack(shadow, { wanted: all, had: [], shallow: [] }, folder, signal),
    };
  }
  // Where the guest's history was cut before it stays cut: what lies behind is not there, whatever had reaches on the host.
  const sent = had === null ? [] : await sentShallow(shadow);
  const cut = head.commit === had ? [] : (await shallowHistory(shadow, head.commit, depth, signal)).shallow;
  const shallow = [...new Set([...cut, ...sent])];
  const wanted = head.commit === had ? staged : [head.commit, ...staged];
  if (wanted.length === 0) return { shallow, pack: null };
  const request = { wanted, had: had === null ? [] : [had], shallow };
  try {
    return { shallow, pack: await writePack(shadow, request, folder, signal) };
  } catch (error) {
    if (!shadow.repository.isPartial || (error as BangerError).code !== "git_failed") throw error;
    // Of a clone without trees (--filter=tree:0) only those of HEAD are here.
    const only = [...new Set([head.commit, ...sent])];
    return { shallow: only, pack: await writePack(shadow, { ...request, shallow: only }, folder, signal) };
  }
}

/** File of the shadow: where the guest's history is cut. */
export const SENT_SHALLOW = "sent-shallow";

async function sentShallow(shadow: Shadow): Promise<string[]> {
  const text = await readFile(join(shadow.directory, SENT_SHALLOW), "latin1").catch(() => "");
  return text.split("\n").filter(Boolean);
}

/** A submodule's entry names a commit of another repository. */
const blobsOf = (tracked: readonly TrackedFile[]) =>
  tracked.filter(({ entry }) => entry.mode !== SUBMODULE).map(({ entry }) => entry.oid);

/** Blobs of the index that the commit does not have where the index has them. */
async function stagedBlobs(
  { shadow, tracked, ownIndex }: Plan,
  commit: string | null,
  signal: AbortSignal,
): Promise<string[]> {
  if (commit === null) return [];
  const { stdout } = await shadow.git(
    ["diff-index", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", commit],
    { signal, env: { GIT_INDEX_FILE: ownIndex } },
  );
  const fields = stdout.toString("latin1").split("\0");
  const changed = new Set(fields.filter((_, at) => at % 2 === 1));
  // git says nothing of what is only intended to be added, and of a conflict not which contents it is made of.
  const wanted = tracked.filter(
    ({ entry }) => changed.has(entry.path) || entry.intentToAdd || entry.stage !== 0,
  );
  return [...new Set(blobsOf(wanted))];
}

/**
 * Unpacks members in a folder of the guest. What was written before a failure stays there.
 * @throws guest_no_space | workspace_changed, and what writing an archive throws
 */
export async function sendMembers(
  session: GuestSession,
  path: string,
  plan: Plan,
  members: Iterable<Source>,
  { report, signal }: Work,
): Promise<void> {
  const bytes = archive(
    members,
    (name) => changed(plan.repository, name),
    (done) => report.progress({ done, unit: "bytes" }),
  );
  const stream = Readable.from(bytes, { objectMode: false });
  let broken: unknown;
  stream.once("error", (error) => {
    broken = error;
  });
  try {
    await writeArchive(session, path, stream, { signal });
  } catch (error) {
    if (broken) throw broken;
    if (failureStatus(error as Error) === "no_space")
      throw BangerError.of("guest_no_space", { path }, { cause: error });
    throw error;
  } finally {
    stream.destroy();
  }
}
