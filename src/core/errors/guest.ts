/** What the guest's agent answers, or does not. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const guestErrors = {
  guest_protocol: {
    status: 502,
    exit: EXIT.failure,
    message: "the guest broke the protocol: {problem}",
    hint: "the connection was closed; banger vm restart gives a fresh agent",
  },
  guest_unreachable: {
    status: 503,
    exit: EXIT.failure,
    message: "the guest agent cannot be reached: {reason}",
    hint: "banger vm logs shows the guest's console",
  },
  agent_version: {
    status: 409,
    exit: EXIT.failure,
    message: "the VM's agent speaks protocol generation {found}, this banger knows {known}",
    hint: "banger vm restart gives the VM this banger's agent",
  },
  guest_refused: { status: 422, exit: EXIT.failure, message: "the guest refused: {problem}", hint: "{hint}" },
  guest_not_found: {
    status: 404,
    exit: EXIT.failure,
    message: "not found in the guest: {problem}",
    hint: "check the path, process or user",
  },
  command_not_found: {
    status: 422,
    exit: EXIT.notFound,
    message: "{command}: command not found in the guest",
    hint: "check the spelling, or use an image that has it",
  },
  command_not_executable: {
    status: 422,
    exit: EXIT.notExecutable,
    message: "{command}: cannot be executed in the guest",
    hint: "check its mode and format (chmod +x, #! line)",
  },
  command_timed_out: {
    status: 408,
    exit: EXIT.timeout,
    message: "the command was stopped after {timeout}",
    hint: "give a longer --timeout",
  },
} as const satisfies Entries;
