/** What keeps a VM from coming up. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const startUpErrors = {
  boot_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "VM '{name}' did not come up: {reason}",
    hint: "banger vm logs {name} shows its console{tail}",
  },
  vmm_died: {
    status: 500,
    exit: EXIT.failure,
    message: "the virtual machine monitor of '{name}' ended: {reason}",
    hint: "banger vm logs {name} shows its console; banger vm start {name} starts it again",
  },
  vmm_survived: {
    status: 504,
    exit: EXIT.failure,
    message: "the monitor of '{name}' still runs after {signal}",
    hint: "banger vm kill {name} ends it with SIGKILL",
  },
  driver_unavailable: {
    status: 409,
    exit: EXIT.failure,
    message: "driver {driver} cannot be used: {reason}",
    hint: "{fix}",
  },
  driver_failed: {
    status: 502,
    exit: EXIT.failure,
    message: "{driver} refused to {what}: {reason}",
    hint: "{fix}",
  },
  host_packages_missing: {
    status: 424,
    exit: EXIT.failure,
    message: "this host lacks {tools}",
    hint: "banger doctor --fix installs: {packages}",
  },
  installation_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "{packages} could not be installed: {reason}",
    hint: "its messages are above; check the network and the package sources, then type: {line}",
  },
  file_sync_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "file_sync[{index}]: {host} could not be copied to {guest} in the VM: {reason}",
    hint: "correct the file or the entry in config.toml (banger config show), then start the VM again",
  },
} as const satisfies Entries;
