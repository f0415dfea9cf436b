/** Ports of the host that lead to ports in a guest, as people write them: `8080:80`, `127.0.0.1:8080:80`, `[::1]:8080:80`, `80`. */
import { BangerError } from "./errors.ts";

export interface PortMapping {
  /** An IP address of the host; null = both loopback addresses, 127.0.0.1 and ::1. */
  readonly address: string | null;
  /** 0 = a free one is chosen. */
  readonly hostPort: number;
  readonly guestPort: number;
}

/** Most ports of one VM that can be published. */
export const MAX_PUBLISHED = 64;
const ACCEPTED = "[ADDRESS:][HOST]:GUEST, TCP ports from 1 to 65535, such as 8080:80 or [::1]:8080:80";
const FORM = /^(?:(?:(?:\[([^\]]*)\]|([^:[\]]+)):)?(\d{0,5}):)?(\d{1,5})$/;

/**
 * Parses `[[address:]host:]guest`. A host port that is left out, or 0, stands for a free one.
 * @param what the option or argument, for the message
 * @throws invalid_argument
 */
export function parsePortMapping(text: string, what: string): PortMapping {
  const [match, v6, v4, host, guest] = FORM.exec(text) ?? [];
  const mapping = { address: v6 ?? v4 ?? null, hostPort: Number(host ?? 0), guestPort: Number(guest ?? 0) };
  const problem = match === undefined ? "is not of that form" : portMappingFlaw(mapping);
  if (problem === null) return mapping;
  throw BangerError.of("invalid_argument", { what, problem: `'${text}' ${problem}`, accepted: ACCEPTED });
}

/** What is wrong with one mapping, or null. Pure; the daemon asks too, because not every client is ours. */
export function portMappingFlaw({ address, hostPort, guestPort }: PortMapping): string | null {
  if (!(guestPort >= 1 && guestPort <= 65535)) return "has a guest port outside 1 to 65535";
  if (!(hostPort >= 0 && hostPort <= 65535)) return "has a host port outside 1 to 65535";
  if (address !== null && !isIpv4(address) && !isIpv6(address))
    return `has an address that is not an IP address`;
  return null;
}

/** Refuses a host port that is given twice for the same address. @throws invalid_argument */
export function checkDistinct(mappings: readonly PortMapping[], what: string): void {
  if (mappings.length > MAX_PUBLISHED) {
    throw BangerError.of("invalid_argument", {
      what,
      problem: `${mappings.length} ports are too many`,
      accepted: `at most ${MAX_PUBLISHED}`,
    });
  }
  for (const [index, mapping] of mappings.entries()) {
    const twin = mappings.slice(0, index).find((other) => clash(mapping, other));
    if (!twin) continue;
    throw BangerError.of("invalid_argument", {
      what,
      problem: `host port ${mapping.hostPort} is given twice (${formatMapping(twin)}, ${formatMapping(mapping)})`,
      accepted: "give each its own host port; 0 takes a free one",
    });
  }
}

function clash(a: PortMapping, b: PortMapping): boolean {
  if (a.hostPort === 0 || a.hostPort !== b.hostPort) return false;
  return addressesOf(a).some((x) => addressesOf(b).some((y) => x === y || covers(x, y) || covers(y, x)));
}

const covers = (wide: string, address: string) =>
  (wide === "0.0.0.0" && isIpv4(address)) || (wide === "::" && isIpv6(address));

/** The addresses that a mapping listens on. */
export function addressesOf({ address }: Pick<PortMapping, "address">): readonly string[] {
  return address === null ? ["127.0.0.1", "::1"] : [address];
}

/** `8080:80`, `[::1]:8080:80`: what `parsePortMapping` reads. */
export function formatMapping({ address, hostPort, guestPort }: PortMapping): string {
  const where = address === null ? "" : `${formatAddress(address)}:`;
  return `${where}${hostPort}:${guestPort}`;
}

/** An address as it stands before a port. */
export const formatAddress = (address: string): string => (address.includes(":") ? `[${address}]` : address);

function isIpv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && text.split(".").every((part) => Number(part) <= 255);
}

function isIpv6(text: string): boolean {
  return /^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(text) && URL.canParse(`http://[${text}]/`);
}
