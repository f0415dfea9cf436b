/** How two trees differ, file by file. */
import type { Shadow } from "./shadow.ts";

export interface TreeChange {
  /** What became of the file from the first tree to the second. */
  readonly kind: "added" | "deleted" | "changed";
  /** In the second tree; null when it is not there. */
  readonly file: { readonly mode: number; readonly oid: string } | null;
}

/** Changes by path (bytes as latin1). */
export async function diffTrees(
  shadow: Shadow,
  from: string,
  to: string,
  signal?: AbortSignal,
): Promise<Map<string, TreeChange>> {
  const changes = new Map<string, TreeChange>();
  if (from === to) return changes;
  const { stdout } = await shadow.git(
    ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", from, to],
    {
      signal,
    },
  );
  const fields = stdout.toString("latin1").split("\0");
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [, mode = "", , oid = "", status = ""] = (fields[at] ?? "").split(" ");
    const kind = status === "A" ? "added" : status === "D" ? "deleted" : "changed";
    changes.set(fields[at + 1] ?? "", {
      kind,
      file: kind === "deleted" ? null : { mode: Number.parseInt(mode, 8), oid },
    });
  }
  return changes;
}
