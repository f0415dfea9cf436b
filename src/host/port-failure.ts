/** Why a port of this host could not be listened on, for people. */
import { BangerError } from "../core/errors.ts";
import { addressesOf, formatAddress, formatMapping, type PortMapping } from "../core/port-mapping.ts";

/**
 * The system's error as one of ours, with what to do.
 * @param holder the VM that has the port, when that is known
 */
export function portFailure(
  mapping: PortMapping,
  error: NodeJS.ErrnoException,
  holder?: string,
): BangerError {
  const [reason, hint] = explain(mapping, error, holder);
  const address = addressesOf(mapping).map(formatAddress).join(" and ");
  return BangerError.of(
    "port_unavailable",
    { port: mapping.hostPort, address, reason, hint },
    { cause: error },
  );
}

function explain(
  mapping: PortMapping,
  { code, message }: NodeJS.ErrnoException,
  holder: string | undefined,
): [reason: string, hint: string] {
  const other = `choose another port; ${formatMapping({ ...mapping, hostPort: 0 })} takes a free one`;
  switch (code) {
    case "EADDRINUSE":
      return holder === undefined
        ? ["it is in use", `${other}; ss -ltnp 'sport = :${mapping.hostPort}' shows who has it`]
        : [`VM '${holder}' publishes it`, `${other}; banger vm stop ${holder} gives it back`];
    case "EACCES":
      return ["this user may not open low ports", other];
    case "EADDRNOTAVAIL":
      return ["this host has no such address", "ip -brief address shows those that it has"];
    default:
      return [message, other];
  }
}
