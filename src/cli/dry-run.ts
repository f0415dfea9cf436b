/** What would be copied into a VM: read from the host's repository alone, without a daemon. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { carryEdits } from "../git/carry.ts";
import { type Plan, planWorkspace } from "../git/plan.ts";
import { type Head, resolveHead } from "../git/repository.ts";
import { snapshot } from "../git/snapshot.ts";
import { readable } from "../git/work-tree.ts";
import type { DryRun } from "./terminal/plan-view.ts";

interface Asked {
  readonly branch: string | undefined;
  readonly from: string | undefined;
  readonly includeUntracked: boolean;
  readonly mode: "shallow" | "full_copy" | undefined;
}

/** Plans and changes nothing. @throws what planning throws */
export async function dryRun(path: string, asked: Asked): Promise<DryRun> {
  const scratch = await mkdtemp(join(tmpdir(), "banger-plan-"));
  try {
    const here = await planWorkspace(path, scratch, {
      includeUntracked: asked.includeUntracked,
      submodules: asked.mode === "full_copy",
    });
    const head: Head = await resolveHead(here.repository, asked.branch ?? null, asked.from ?? null);
    const plan = await planAt(here, head, scratch);
    return {
      root: plan.repository.root,
      mode: asked.mode ?? "shallow",
      branch: head.ref?.replace(/^refs\/heads\//, "") ?? null,
      head: head.commit,
      files: plan.files.map(({ path, mode, size }) => ({
        path: readable(path),
        mode: mode.toString(8),
        size,
      })),
      bytes: plan.bytes,
      deleted: plan.deleted.map(readable),
      untracked: plan.untracked,
      skipped_untracked: plan.skippedUntracked,
    };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Of a branch that starts elsewhere the files are others. */
async function planAt(here: Plan, { commit }: Head, scratch: string): Promise<Plan> {
  if (commit === null || commit === here.repository.head.commit) return here;
  return (await carryEdits(here, await snapshot(here), commit, scratch)).plan;
}
