/** The options that say what of a repository goes into a VM, shared by `run` and `workspace prepare`. */
import { BangerError } from "../../core/errors.ts";
import type { PrepareOptions, WorkspaceInfo } from "../../sdk/index.ts";
import { choice, flag, text, type Values } from "../command.ts";

export const workspaceOptions = {
  branch: text("--branch <name>", "a new branch for the guest's checkout"),
  from: text("--from <ref>", "where that branch starts (default HEAD)"),
  includeUntracked: flag("--include-untracked", "also files that git neither tracks nor ignores"),
  mode: choice("--mode <mode>", "shallow: ten commits; full_copy: all history, and submodules", [
    "shallow",
    "full_copy",
  ]),
  readonly: flag("--readonly", "drop the files' write bits"),
};

type Asked = Values<typeof workspaceOptions>;

/** @throws invalid_argument for what makes no sense together */
export function refuseWorkspace(command: string, options: Asked, path: string | undefined): void {
  const wrong = (problem: string, accepted: string) =>
    BangerError.of("invalid_argument", { what: command, problem, accepted });
  if (options.from !== undefined && options.branch === undefined) {
    throw wrong("--from needs --branch", "--branch NAME --from REF makes a branch that starts there");
  }
  const given = Object.entries({
    "--branch": options.branch,
    "--mode": options.mode,
    "--include-untracked": options.includeUntracked,
    "--readonly": options.readonly,
  }).find(([, value]) => value);
  if (path === undefined && given) {
    throw wrong(`${given[0]} needs a path`, `banger ${command} . ${given[0]} …`);
  }
}

/** What the SDK is asked for. */
export function prepareOptions(options: Asked): PrepareOptions {
  const { branch, from, includeUntracked, readonly, mode } = options;
  return {
    ...(branch !== undefined && { branch }),
    ...(from !== undefined && { from }),
    ...(mode !== undefined && { mode }),
    ...(includeUntracked && { includeUntracked }),
    ...(readonly && { readOnly: readonly }),
  };
}

/** As a workspace was prepared before. */
export function againOptions({
  guest_path,
  include_untracked,
  readonly,
  mode,
}: WorkspaceInfo): PrepareOptions {
  return { guestPath: guest_path, includeUntracked: include_untracked, readOnly: readonly, mode };
}
