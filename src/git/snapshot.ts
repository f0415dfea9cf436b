/**
 * The work tree as a git tree, whatever HEAD and the index say: what the guest gets, so what its changes are told apart from.
 * Files become blobs by git's own conversions (line ends, ident); filters of the user are not run, their files go in as they are.
 */
import { basename, join } from "node:path/posix";
import { NO_STAT } from "./index-file.ts";
import type { Plan } from "./plan.ts";
import { TreeBuilder } from "./tree-builder.ts";
import type { TrackedFile } from "./work-tree.ts";

/** The shadow's `index` is what the guest got; this one takes its place when the guest has it. */
export const NEXT_INDEX = "next-index";

/**
 * Writes the tree, and leaves an index (NEXT_INDEX) in the shadow as the list of everything in it: path, mode, blob, size and time.
 * @returns the tree's id
 */
export async function snapshot(plan: Plan, signal?: AbortSignal): Promise<string> {
  const { shadow, repository, tracked, files } = plan;
  const filtered = await filteredPaths(plan, signal);
  const isKept = ({ entry, isClean }: TrackedFile) => isClean && !filtered.has(entry.path);
  const builder = new TreeBuilder(shadow, join(shadow.directory, NEXT_INDEX), repository.root, signal);
  await builder.start(tracked.map((file) => (isKept(file) ? file.entry : { ...file.entry, stat: NO_STAT })));
  const judged = tracked.filter((file) => !isKept(file));
  const pathsOf = (some: readonly TrackedFile[]) => [...new Set(some.map(({ entry }) => entry.path))];
  await builder.remove(pathsOf(judged.filter(({ entry, file }) => !file && !entry.skipWorktree)));
  const untracked = files.slice(files.length - plan.untracked).map((file) => file.path);
  await builder.add([...pathsOf(judged.filter(({ file }) => file)), ...untracked]);
  return builder.tree();
}

/** Files that a filter of the user's (git-lfs and the like) turns into something else: their blobs are not their content. */
async function filteredPaths({ shadow, tracked }: Plan, signal?: AbortSignal): Promise<Set<string>> {
  const hasAttributes = tracked.some(({ entry }) => basename(entry.path) === ".gitattributes");
  if (!hasAttributes) return new Set();
  const { stdout } = await shadow.git(["check-attr", "-z", "--stdin", "filter"], {
    input: Buffer.from(tracked.map(({ entry }) => `${entry.path}\0`).join(""), "latin1"),
    signal,
  });
  const fields = stdout.toString("latin1").split("\0");
  const filtered = new Set<string>();
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [path = "", value = ""] = [fields[at], fields[at + 2]];
    if (value !== "unspecified" && value !== "unset") filtered.add(path);
  }
  return filtered;
}
