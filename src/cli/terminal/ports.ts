/** Ports of the host and where they lead, for people. */
import { formatAddress, type PortMapping } from "../../core/port-mapping.ts";
import type { PublishedPort, Vm } from "../../sdk/index.ts";
import type { Context } from "../context.ts";

/** `8080->80`, `[::1]:8080->80`; with what is wrong, if anything is. */
export function portText({ address, host_port, guest_port, problem }: PublishedPort): string {
  const where = address === null ? "" : `${formatAddress(address)}:`;
  return `${where}${host_port}->${guest_port}${problem === null ? "" : ` (${problem})`}`;
}

/** All that a VM publishes, or `-`. */
export function portsText({ publish }: Vm): string {
  return publish.map(portText).join(", ") || "-";
}

/** Tells which ports were published, the chosen ones too. */
export function notePublished(context: Context, vm: Vm): void {
  for (const { address, host_port, guest_port } of vm.publish) {
    context.note(
      `published: ${forwardText({ address, hostPort: host_port, guestPort: guest_port }, vm.name)}`,
    );
  }
}

/** `localhost:8080 -> box:80` */
export function forwardText({ address, hostPort, guestPort }: PortMapping, vm: string): string {
  return `${formatAddress(address ?? "localhost")}:${hostPort} -> ${vm}:${guestPort}`;
}
