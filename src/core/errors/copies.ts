/** Files on their way in and out. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const copiesErrors = {
  copy_refused: {
    status: 400,
    exit: EXIT.failure,
    message: "{source} cannot be copied to {target}: {problem}",
    hint: "{accepted}",
  },
  copy_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "copying {source} stopped: {reason}",
    hint: "{copied}",
  },
  archive_invalid: {
    status: 422,
    exit: EXIT.failure,
    message: "the archive is refused: {problem}",
    hint: "nothing outside the target was touched; what came before is there",
  },
  host_file_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "{path} cannot be written: {reason}",
    hint: "check what is there and who owns it",
  },
} as const satisfies Entries;
