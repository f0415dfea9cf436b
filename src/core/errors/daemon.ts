/** The daemon, its socket and its operations. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const daemonErrors = {
  daemon_unreachable: {
    status: 503,
    exit: EXIT.failure,
    message: "the daemon cannot be reached: {reason}",
    hint: "banger daemon logs tells why; banger daemon start starts it",
  },
  daemon_start_failed: {
    status: 503,
    exit: EXIT.failure,
    message: "the daemon did not start: {reason}",
    hint: "{hint}",
  },
  daemon_connection_lost: {
    status: 503,
    exit: EXIT.failure,
    message: "the connection to the daemon was lost",
    hint: "running VMs go on; type the command again (banger daemon logs tells what happened)",
  },
  daemon_socket_foreign: {
    status: 403,
    exit: EXIT.failure,
    message: "{path} belongs to another user (uid {uid})",
    hint: "remove it, or set XDG_RUNTIME_DIR to a folder of your own",
  },
  operation_not_found: {
    status: 404,
    exit: EXIT.failure,
    message: "no operation '{id}'",
    hint: "operations are forgotten when the daemon restarts",
  },
  operation_cancelled: {
    status: 409,
    exit: EXIT.failure,
    message: "{what} was cancelled",
    hint: "what was half made has been removed",
  },
  internal: {
    status: 500,
    exit: EXIT.failure,
    message: "internal error: {problem}",
    hint: "this is a bug in banger; banger daemon logs has the details",
  },
} as const satisfies Entries;
