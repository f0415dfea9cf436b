/** What is typed or sent and not accepted. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const usageErrors = {
  invalid_argument: { status: 400, exit: EXIT.usage, message: "{what}: {problem}", hint: "{accepted}" },
  unknown_command: {
    status: 400,
    exit: EXIT.usage,
    message: "unknown command '{command}'",
    hint: "{suggestion}",
  },
  invalid_request: {
    status: 400,
    exit: EXIT.usage,
    message: "the request is not valid: {problem}",
    hint: "see docs/openapi.json for the accepted form",
  },
  invalid_config: {
    status: 400,
    exit: EXIT.failure,
    message: "{file}: {problem}",
    hint: "accepted: {accepted}",
  },
  arguments_too_large: {
    status: 413,
    exit: EXIT.bangerFailed,
    message: "command, environment and directory are {size} bytes together; at most {limit} can be passed",
    hint: "put long input in a file or pipe it to the command's standard input",
  },
  not_implemented_route: {
    status: 404,
    exit: EXIT.failure,
    message: "no such API path: {method} {path}",
    hint: "see docs/openapi.json; client and daemon may differ in version (banger version)",
  },
  stream_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "{stream} cannot be {used}: {reason}",
    hint: "check what it is redirected to",
  },
} as const satisfies Entries;
