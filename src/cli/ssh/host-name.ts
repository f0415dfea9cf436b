/** VMs as ssh names them. */
import { HOST_SUFFIX } from "../../host/ssh-config.ts";

/** The name or id that stands in a host's name: `box` for `box.vm`; anything else is taken as it is. */
export function vmOfHost(host: string): string {
  const lower = host.toLowerCase();
  return lower.endsWith(HOST_SUFFIX) ? lower.slice(0, -HOST_SUFFIX.length) : host;
}
