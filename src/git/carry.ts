/** Another commit's files with the work tree's own edits over them, as `git switch` carries edits along. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import { NO_STAT, parseIndex } from "./index-file.ts";
import { deletedOf, type Plan } from "./plan.ts";
import { NEXT_INDEX } from "./snapshot.ts";
import { TreeBuilder } from "./tree-builder.ts";
import { diffTrees, type TreeChange } from "./tree-diff.ts";
import { lookAt, readable, statOf, type TrackedFile, type WorkFile } from "./work-tree.ts";

const SHOWN = 10;

export interface Carried {
  readonly plan: Plan;
  readonly tree: string;
}

/**
 * The plan for a checkout of `commit` instead of HEAD. @param scratch where the commit's files are put
 * @throws repository_edits_conflict for files that were edited here and are others in that commit
 */
export async function carryEdits(
  plan: Plan,
  tree: string,
  commit: string,
  scratch: string,
  signal?: AbortSignal,
): Promise<Carried> {
  const { shadow, repository } = plan;
  const head = repository.head.commit;
  if (head === null || commit === head) return { plan, tree };
  const [edits, others] = await Promise.all([
    diffTrees(shadow, `${head}^{tree}`, tree, signal),
    diffTrees(shadow, `${head}^{tree}`, `${commit}^{tree}`, signal),
  ]);
  refuseConflicts(plan, edits, others);

  const [checkout, index] = [join(scratch, "checkout"), join(scratch, "checkout-index")];
  await mkdir(checkout);
  const options = { signal, cwd: checkout, env: { GIT_INDEX_FILE: index, GIT_WORK_TREE: checkout } };
  await shadow.git(["read-tree", commit], options);
  await shadow.git(["checkout-index", "--all"], options);

  const here = new Map(plan.files.map((file) => [file.path, file]));
  const entries = parseIndex(await readFile(index), repository.format).entries;
  const tracked = entries.map((entry): TrackedFile => {
    if (edits.has(entry.path))
      return { entry: { ...entry, stat: NO_STAT }, file: here.get(entry.path) ?? null, isClean: false };
    const file = lookAt(checkout, entry.path);
    return { entry, file: file && { ...file, root: checkout }, isClean: file !== null };
  });
  const known = new Set(entries.map((entry) => entry.path));
  const added = plan.tracked.filter(({ entry }) => edits.has(entry.path) && !known.has(entry.path));
  return build({ ...plan, original: plan }, [...tracked, ...added].sort(byPath), here, edits, signal);
}

async function build(
  plan: Plan,
  tracked: readonly TrackedFile[],
  here: ReadonlyMap<string, WorkFile>,
  edits: ReadonlyMap<string, TreeChange>,
  signal?: AbortSignal,
): Promise<Carried> {
  const { shadow, repository } = plan;
  const inTracked = new Set(tracked.map(({ entry }) => entry.path));
  const untracked = [...edits.keys()].flatMap((path) => (inTracked.has(path) ? [] : (here.get(path) ?? [])));
  const files = [...tracked.flatMap(({ file }) => file ?? []), ...untracked];
  const blobs = new Map(tracked.map(({ entry }) => [entry.path, entry.oid]));
  const builder = new TreeBuilder(shadow, join(shadow.directory, NEXT_INDEX), repository.root, signal);
  await builder.start(
    files.map((file) => ({
      ...{
        path: file.path,
        mode: file.mode,
        stage: 0,
        assumeValid: false,
        skipWorktree: false,
        intentToAdd: false,
      },
      oid: edits.get(file.path)?.file?.oid ?? blobs.get(file.path) ?? "",
      stat: statOf(file),
    })),
  );
  const bytes = files.reduce((sum, file) => sum + file.size, 0);
  return {
    plan: { ...plan, tracked, files, bytes, untracked: untracked.length, deleted: deletedOf(tracked) },
    tree: await builder.tree(),
  };
}

function refuseConflicts(
  { repository }: Plan,
  edits: ReadonlyMap<string, TreeChange>,
  others: ReadonlyMap<string, TreeChange>,
): void {
  const conflicts = [...edits].flatMap(([path, { file }]) => {
    const other = others.get(path);
    return other && (other.file?.oid !== file?.oid || other.file?.mode !== file?.mode)
      ? [readable(path)]
      : [];
  });
  if (conflicts.length === 0) return;
  const shown = conflicts.slice(0, SHOWN).join(", ");
  const files = conflicts.length > SHOWN ? `${shown} and ${conflicts.length - SHOWN} more` : shown;
  throw BangerError.of(
    "repository_edits_conflict",
    { path: repository.root, files },
    { details: { conflicts } },
  );
}

const byPath = (a: TrackedFile, b: TrackedFile) =>
  a.entry.path === b.entry.path ? a.entry.stage - b.entry.stage : a.entry.path < b.entry.path ? -1 : 1;
