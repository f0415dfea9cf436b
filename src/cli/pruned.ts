/** `image prune`, `kernel prune`, `cache prune`, `image delete`, `kernel delete`: what went, or would go. */
import { formatSize } from "../core/units.ts";
import type { Part, Pruned } from "../sdk/index.ts";
import { flag, json } from "./command.ts";
import { shortDigest } from "./pull.ts";
import { table } from "./terminal/table.ts";

export const pruneOptions = { dryRun: flag("--dry-run", "only tell what would go"), json };
export const all = flag("-a, --all", "those that a name stands for too, when no VM uses them");

export function renderPruned({ removed, freed_bytes, dry_run }: Pruned): string {
  if (removed.length === 0) return "nothing to remove\n";
  const rows = removed.map((part) => [part.name, identity(part), formatSize(part.size_bytes)]);
  const total = `${formatSize(freed_bytes)} ${dry_run ? "would be freed" : "freed"}\n`;
  return `${table([dry_run ? "WOULD GO" : "REMOVED", "WHAT", "SIZE"], rows)}${total}`;
}

/** Digests tell images of one name apart; anything else says what it is. */
export const identity = ({ kind, id, detail }: Part): string =>
  kind === "image" || kind === "kernel" ? shortDigest(id) : detail;
