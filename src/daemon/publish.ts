/** Published ports as clients ask for them. */
import type { PublishPorts } from "../api/schemas.ts";
import { checkDistinct, type PortMapping } from "../core/port-mapping.ts";

/** @throws invalid_argument when two are the same */
export function mappingsOf(ports: PublishPorts = []): PortMapping[] {
  const mappings = ports.map((port) => ({
    address: port.address ?? null,
    hostPort: port.host_port ?? 0,
    guestPort: port.guest_port,
  }));
  checkDistinct(mappings, "publish");
  return mappings;
}
