/** Puts a whole repository into a guest: it appears in one step, or not at all. */
import { posix } from "node:path";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { count, formatSize } from "../core/units.ts";
import { checkUnchanged, type Plan } from "../git/plan.ts";
import type { Head } from "../git/repository.ts";
import {
  type GuestSession,
  listFiles,
  makeDirectory,
  moveFile,
  removeFile,
  statFile,
} from "../guest/index.ts";
import { type Source, workMember } from "./archive.ts";
import { type PackedHistory, sendMembers } from "./delivery.ts";
import { newRepository } from "./guest-repository.ts";
import type { Submodules } from "./submodules.ts";

/** What the guest is to have. */
export interface Target {
  readonly plan: Plan;
  readonly head: Head;
  readonly history: PackedHistory;
  readonly tree: string;
}

interface Placing {
  readonly guestPath: string;
  readonly readOnly: boolean;
  /** Replace what is there. */
  readonly force: boolean;
}

/** Unpacks beside the guest path and renames, so that nobody sees half a tree. */
export async function placeTree(
  session: GuestSession,
  request: Placing,
  { plan, head, history, submodules }: Target & { readonly submodules: Submodules },
  work: Work,
): Promise<void> {
  const { guestPath } = request;
  await checkPlace(session, request);
  const { dir, base } = posix.parse(guestPath);
  const half = `.${base}.banger-`;
  await makeDirectory(session, dir, { parents: true });
  await removeHalves(session, dir, half);
  const beside = posix.join(dir, `${half}${process.hrtime.bigint().toString(36)}`);
  const { repository, tracked } = plan;
  const made = await newRepository({ repository, head, tracked, ...history });
  // One at a time: of very many files each would take memory until the last is sent.
  function* sources(): Generator<Source> {
    yield* made;
    for (const file of plan.files) yield workMember(repository.root, file, "", request.readOnly);
    yield* submodules.members;
  }
  work.report.stage("copying", `${count(plan.files.length, "file")}, ${formatSize(plan.bytes)}`);
  await makeDirectory(session, beside);
  checkpoint("workspace.unpacking");
  try {
    await sendMembers(session, beside, plan, sources(), work);
    checkpoint("workspace.unpacked");
    await checkUnchanged(plan);
    await submodules.checkUnchanged();
    await removeFile(session, guestPath, { recursive: request.force, missingOk: true });
    await moveFile(session, beside, guestPath);
    checkpoint("workspace.placed");
  } catch (error) {
    await removeFile(session, beside, { recursive: true, missingOk: true }).catch(() => {});
    throw error;
  }
}

/** What a copy that was cut off, by the daemon's end for example, left behind. */
async function removeHalves(session: GuestSession, folder: string, prefix: string): Promise<void> {
  const halves: Buffer[] = [];
  for await (const { name, nameBytes } of listFiles(session, folder))
    if (name.startsWith(prefix)) halves.push(nameBytes);
  for (const name of halves) {
    await removeFile(session, Buffer.concat([Buffer.from(`${folder}/`), name]), {
      recursive: true,
      missingOk: true,
    });
  }
}

/** @throws workspace_in_the_way when something is there that would be lost */
async function checkPlace(session: GuestSession, { guestPath, force }: Placing): Promise<void> {
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
