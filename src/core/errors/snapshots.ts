/** Snapshots, forks and what is restored. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const snapshotsErrors = {
  snapshot_not_found: {
    status: 404,
    exit: EXIT.failure,
    message: "no snapshot named '{ref}'",
    hint: "banger vm snapshot list shows all snapshots",
  },
  snapshot_name_taken: {
    status: 409,
    exit: EXIT.failure,
    message: "a snapshot named '{name}' exists already",
    hint: "choose another name, or banger vm snapshot delete {name}",
  },
  snapshot_in_use: {
    status: 409,
    exit: EXIT.failure,
    message: "snapshot '{name}' is being restored or exported",
    hint: "type it again when that has ended",
  },
  snapshot_damaged: {
    status: 422,
    exit: EXIT.failure,
    message: "snapshot '{name}' is damaged, {file}: {problem}",
    hint: "nothing was made of it; import it again, or banger vm snapshot delete {name}",
  },
  snapshot_unusable: {
    status: 409,
    exit: EXIT.failure,
    message: "snapshot '{name}' cannot be restored here: {reason}",
    hint: "{fix}",
  },
} as const satisfies Entries;
