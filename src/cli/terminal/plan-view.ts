/** The plan of a copy (`--dry-run`) for people. */
import { clean } from "../../core/errors.ts";
import { count, formatSize } from "../../core/units.ts";
import { table } from "./table.ts";

export interface DryRun {
  readonly root: string;
  /** `shallow` or `full_copy`. */
  readonly mode: string;
  readonly branch: string | null;
  readonly head: string | null;
  readonly files: readonly { readonly path: string; readonly mode: string; readonly size: number }[];
  readonly bytes: number;
  readonly deleted: readonly string[];
  readonly untracked: number;
  readonly skipped_untracked: number;
}

/** One line per file; names that would break lines are escaped as in JSON. */
export function renderDryRun(plan: DryRun): string {
  const name = (path: string) => (/[\p{Cc}"\\]/u.test(path) ? JSON.stringify(path) : path);
  const where = plan.branch ? `on ${plan.branch}` : "detached";
  const at = plan.head ? `at ${plan.head.slice(0, 12)}` : "without commits";
  const rows = plan.files.map((file) => [file.mode, formatSize(file.size), name(file.path)]);
  return [
    `${clean(plan.root)}: ${where}, ${at}, mode ${plan.mode}\n`,
    table(["MODE", "SIZE", "PATH"], rows),
    ...plan.deleted.map((path) => `deleted: ${name(path)}\n`),
    `${count(plan.files.length, "file")}, ${formatSize(plan.bytes)}\n`,
    ...(plan.skipped_untracked > 0
      ? [
          `${count(plan.skipped_untracked, "untracked file")} left out; --include-untracked copies them, too\n`,
        ]
      : []),
  ].join("");
}
