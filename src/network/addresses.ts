/** A guest's network, the same in every VM: they do not touch each other. guest/netguard.h says the same. */
import { readFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import type { GuestConfiguration } from "../guest/index.ts";

export const GUEST = {
  address: "10.0.2.15",
  bits: 24,
  gateway: "10.0.2.2",
  /** What is asked here passt asks the host's first resolver, wherever that listens. */
  resolver: "10.0.2.3",
} as const;

/**
 * What of `configure` gives a guest its network, or takes it away.
 * @param resolvers the addresses to ask for names (`default_dns`); none: this host's
 */
export async function networkConfiguration(
  nat: boolean,
  resolvers: readonly string[],
): Promise<Pick<GuestConfiguration, "address" | "gateway" | "dns">> {
  if (!nat) return { address: "", dns: [""] };
  return {
    address: `${GUEST.address}/${GUEST.bits}`,
    gateway: GUEST.gateway,
    dns: resolvers.length > 0 ? [...resolvers] : await hostResolvers(),
  };
}

/** This host's, as a guest asks them. */
export async function hostResolvers(): Promise<string[]> {
  const text = await readFile("/etc/resolv.conf", "utf8").catch(() => "");
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
  return guestResolvers(text, new Set(own));
}

/**
 * The resolvers a guest asks: the host's, where a guest can reach them; when the first is on the host itself (127.0.0.53, say),
 * the one that is forwarded, which takes questions by UDP alone. Pure.
 * @param own the host's addresses
 */
export function guestResolvers(resolvConf: string, own: ReadonlySet<string>): string[] {
  const all = [...resolvConf.matchAll(/^nameserver\s+(\d+\.\d+\.\d+\.\d+)\s*$/gm)].map(
    (match) => match[1] ?? "",
  );
  const near = (address: string) => address.startsWith("127.") || own.has(address);
  const [first] = all;
  if (first === undefined || near(first)) return [GUEST.resolver];
  return all.filter((address) => !near(address)).slice(0, 3);
}
