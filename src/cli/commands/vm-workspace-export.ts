import { createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { BangerError, clean } from "../../core/errors.ts";
import { count } from "../../core/units.ts";
import type { Sandbox, WorkspaceExport } from "../../sdk/index.ts";
import { define, flag, json, quiet, text } from "../command.ts";
import type { Context } from "../context.ts";
import { drain, streamFailed } from "../terminal/flow.ts";
import { withProgress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";

export default define({
  name: "vm workspace export",
  summary: "what was done in a VM's repository: as a patch, into this host's files, or as a branch",
  arguments: "<vm>",
  options: {
    output: text("-o, --output <file>", "write the patch to a file instead of standard output"),
    apply: flag("--apply", "change the host's repository; checked first, all or nothing"),
    branch: text("--branch <name>", "make the guest's commits a new branch of the host's repository"),
    baseCommit: text(
      "--base-commit <ref>",
      "tell changes apart from this commit, not from what the guest got",
    ),
    stat: flag("--stat", "only tell which files changed"),
    quiet,
    json,
  },
  examples: [
    ["banger vm workspace export box | git apply", "everything done in the guest, onto this work tree"],
    [
      "banger vm workspace export box --apply",
      "the same, without leaving half of it when a file does not fit",
    ],
    ["banger vm workspace export box --branch agent", "the guest's commits, with their authors and messages"],
    ["banger vm workspace export box --stat", "what it would be"],
  ],
  handler: async ({ args: [ref = ""], options }, context) => {
    refuse(options);
    const sandbox = await (await context.connect()).get(ref);
    const { baseCommit, branch, apply } = options;
    const exported = await withProgress(context, options.quiet, (following) =>
      sandbox.workspace.export({
        ...following,
        ...(baseCommit !== undefined && { baseCommit }),
        ...(branch !== undefined && { branch }),
        apply,
      }),
    );
    if (exported.from === exported.to && !options.quiet && branch === undefined) {
      context.note("nothing was changed in the guest");
    }
    if (options.output !== undefined) await save(sandbox, exported, options.output);
    else if (wantsPatch(options)) await print(sandbox, exported, context);
    return { exported, shows: options.stat || options.apply || branch !== undefined };
  },
  render: ({ exported, shows }) => (shows ? renderStat(exported) : ""),
  json: ({ exported }) => exported,
});

interface Options {
  readonly output: string | undefined;
  readonly apply: boolean;
  readonly branch: string | undefined;
  readonly stat: boolean;
  readonly json: boolean;
}

function refuse(options: Options): void {
  const given = [
    options.apply && "--apply",
    options.branch !== undefined && "--branch",
    options.stat && "--stat",
  ];
  const [one, other] = given.filter((name) => name !== false);
  if (one === undefined || other === undefined) return;
  throw BangerError.of("invalid_argument", {
    what: "vm workspace export",
    problem: `${one} and ${other} exclude each other`,
    accepted: "one of them, or none for the patch",
  });
}

const wantsPatch = (options: Options) =>
  !options.apply && options.branch === undefined && !options.stat && !options.json;

async function print(sandbox: Sandbox, exported: WorkspaceExport, context: Context): Promise<void> {
  await drain(await sandbox.workspace.patch(exported), context.stdout, "standard output");
}

/** The file appears when the patch is whole; a pipe or a device, such as /dev/null, is written to as it is. */
async function save(sandbox: Sandbox, exported: WorkspaceExport, path: string): Promise<void> {
  const there = await stat(path).catch(() => null);
  const isFile = there === null || there.isFile();
  const target = isFile ? `${path}.${process.pid}.tmp` : path;
  const { pipeline } = await import("node:stream/promises");
  try {
    const patch = await sandbox.workspace.patch(exported);
    await pipeline(patch, createWriteStream(target, isFile ? { flags: "wx", flush: true } : { flags: "w" }));
    if (isFile) await rename(target, path);
  } catch (error) {
    if (isFile) await rm(target, { force: true });
    throw (error as NodeJS.ErrnoException).syscall ? streamFailed(path, "written", error as Error) : error;
  }
}

/** What changed, for people. */
function renderStat({ files, file_count, commits }: WorkspaceExport): string {
  const lines = (lines: number | null, sign: string) => (lines === null ? "bin" : `${sign}${lines}`);
  const rows = files.map((file) => [lines(file.added, "+"), lines(file.removed, "-"), clean(file.path)]);
  const more = file_count > files.length ? `and ${file_count - files.length} more\n` : "";
  const made = commits.map(({ id, subject }) => `commit ${id.slice(0, 12)} ${clean(subject, 200)}\n`);
  return `${made.join("")}${rows.length > 0 ? table(["ADDED", "REMOVED", "PATH"], rows) : ""}${more}${count(file_count, "file")} changed\n`;
}
