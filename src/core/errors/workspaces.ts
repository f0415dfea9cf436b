/** Repositories on the host and in guests. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const workspacesErrors = {
  repository_unusable: {
    status: 400,
    exit: EXIT.usage,
    message: "{path} is no git work tree that can be copied: {reason}",
    hint: "give a folder of a git repository; a command goes after --",
  },
  repository_has_submodules: {
    status: 400,
    exit: EXIT.usage,
    message: "{path} has submodules ({submodules})",
    hint: "--mode full_copy copies their files, too",
  },
  repository_edits_conflict: {
    status: 409,
    exit: EXIT.usage,
    message: "edits in {path} are to files that are others in that commit: {files}",
    hint: "commit or stash them, or leave out --from",
  },
  workspace_changed: {
    status: 409,
    exit: EXIT.failure,
    message: "{what} changed while {path} was being copied",
    hint: "nothing was kept of the copy; run it again when the repository is at rest",
  },
  workspace_missing: {
    status: 409,
    exit: EXIT.failure,
    message: "VM '{name}' has no workspace",
    hint: "banger vm workspace prepare {name} PATH brings a repository in",
  },
  workspace_guest_changes: {
    status: 409,
    exit: EXIT.failure,
    message: "{path} in the guest has changes that would be lost: {files}",
    hint: "banger vm workspace export brings them to the host; --force overwrites them",
  },
  workspace_conflict: {
    status: 409,
    exit: EXIT.failure,
    message: "the guest's changes do not apply to {path}: {files}",
    hint: "nothing was changed; export with --branch NAME and merge, or with -o FILE and git apply --3way",
  },
  workspace_in_the_way: {
    status: 409,
    exit: EXIT.failure,
    message: "{path} is in the guest already, and is not what banger put there",
    hint: "give another --guest-path, or --force to replace it",
  },
  guest_no_space: {
    status: 507,
    exit: EXIT.failure,
    message: "the guest has no space left for {path}",
    hint: "free some in it, or make a VM with a larger --disk-size",
  },
  git_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "git {command} failed: {reason}",
    hint: "git fsck in the repository tells whether it is whole",
  },
} as const satisfies Entries;
