/** The patch between two trees of banger's own repository. */
import type { RunningProgram } from "../host/run.ts";
import type { Shadow } from "./shadow.ts";

/** Binary-safe, for `git apply`; empty when the trees are the same. `ended` tells whether it came whole. */
export function openPatch(shadow: Shadow, from: string, to: string, signal?: AbortSignal): RunningProgram {
  const patch = shadow.open(
    [
      ...["diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff"],
      ...["--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", from, to],
    ],
    { signal },
  );
  patch.stdin.end();
  return patch;
}
