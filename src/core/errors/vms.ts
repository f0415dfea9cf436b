/** VMs and their states. */
import { EXIT } from "../exit-codes.ts";
import type { Entries } from "./entry.ts";

export const vmsErrors = {
  vm_not_found: {
    status: 404,
    exit: EXIT.failure,
    message: "no VM named '{ref}'",
    hint: "banger vm list -a shows all VMs",
  },
  vm_ambiguous: {
    status: 409,
    exit: EXIT.failure,
    message: "'{ref}' fits several VMs: {matches}",
    hint: "give the name or more characters of the id",
  },
  vm_name_taken: {
    status: 409,
    exit: EXIT.failure,
    message: "a VM named '{name}' exists already",
    hint: "choose another --name, or banger vm delete {name}",
  },
  vm_wrong_state: {
    status: 409,
    exit: EXIT.failure,
    message: "VM '{name}' is {state}; this needs it to be {wanted}",
    hint: "{hint}",
  },
  vm_busy: {
    status: 409,
    exit: EXIT.failure,
    message: "VM '{name}' is busy: {operation} is under way",
    hint: "wait for it, or banger vm show {name}",
  },
  resource_exceeds_host: {
    status: 400,
    exit: EXIT.usage,
    message: "{what} {asked} is more than this host has ({available})",
    hint: "ask for at most {available}",
  },
  nat_failed: {
    status: 500,
    exit: EXIT.failure,
    message: "VM '{name}' cannot be given an outbound network: {reason}",
    hint: "passt needs a default route of this host: ip route shows it; banger daemon logs tells more",
  },
  port_unavailable: {
    status: 409,
    exit: EXIT.failure,
    message: "port {port} on {address} cannot be opened: {reason}",
    hint: "{hint}",
  },
} as const satisfies Entries;
