/**
 * The work tree as a git tree, whatever HEAD and the index say: what the guest gets, so what its changes are told apart from.
 * Files become blobs by git's own conversions (line ends, ident); filters of the user are not run, their files go in as they are.
 */
import { writeFile } from "node:fs/promises";
import { basename, join } from "node:path/posix";
import { formatIndex, NO_STAT } from "./index-file.ts";
import type { Plan } from "./plan.ts";
import type { Shadow } from "./shadow.ts";
import type { TrackedFile } from "./work-tree.ts";

/**
 * Writes the tree, and leaves the shadow's index behind as the list of everything in it: path, mode, blob, size and time.
 * @returns the tree's id
 */
export async function snapshot(plan: Plan, signal?: AbortSignal): Promise<string> {
  const { shadow, repository, tracked, files } = plan;
  const filtered = await filteredPaths(plan, signal);
  const isKept = (path: string, isClean: boolean) => isClean && !filtered.has(path);
  const entries = tracked.map(({ entry, isClean }) =>
    isKept(entry.path, isClean) ? entry : { ...entry, stat: NO_STAT },
  );
  await writeFile(join(shadow.directory, "index"), formatIndex(entries, repository.format));
  const untracked = files.slice(files.length - plan.untracked).map((file) => file.path);
  const judged = tracked.filter(({ entry, isClean }) => !isKept(entry.path, isClean));
  const pathsOf = (files: readonly TrackedFile[]) => [...new Set(files.map(({ entry }) => entry.path))];
  const gone = judged.filter(({ entry, file }) => !file && !entry.skipWorktree);
  await changeIndex(shadow, ["--force-remove"], pathsOf(gone), signal);
  const there = judged.filter(({ file }) => file);
  await changeIndex(shadow, ["--add", "--replace"], [...pathsOf(there), ...untracked], signal);
  return writeTree(shadow, signal);
}

/** Makes the shadow's index say of these paths what the work tree says. */
async function changeIndex(
  shadow: Shadow,
  how: readonly string[],
  paths: readonly string[],
  signal?: AbortSignal,
): Promise<void> {
  if (paths.length === 0) return;
  await shadow.git(["update-index", ...how, "-z", "--stdin"], {
    input: Buffer.from(paths.map((path) => `${path}\0`).join(""), "latin1"),
    signal,
    settings: ["core.looseCompression=1"],
  });
}

async function writeTree(shadow: Shadow, signal?: AbortSignal): Promise<string> {
  const missing = shadow.repository.isPartial ? ["--missing-ok"] : [];
  return (await shadow.git(["write-tree", ...missing], { signal })).stdout.toString("latin1").trim();
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
