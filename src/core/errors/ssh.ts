/** ssh and its configuration. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const sshErrors = {
  ssh_key_unusable: {
    status: 400,
    exit: EXIT.failure,
    message: "the ssh key {file} cannot be used: {reason}",
    hint: "{hint}",
  },
  ssh_host_key_changed: {
    status: 409,
    exit: EXIT.failure,
    message: "VM '{name}' has another ssh host key than it had before",
    hint: "if its keys were made anew in the guest: banger vm ssh {name} --new-host-key",
  },
  ssh_config_unusable: { status: 409, exit: EXIT.failure, message: "{file}: {problem}", hint: "{hint}" },
} as const satisfies Entries;
