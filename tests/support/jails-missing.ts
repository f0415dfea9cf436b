/** Why nothing can be jailed here; false when it can. */
import { jailsForbidden } from "../../src/vmm/jail/jailer.ts";

export const jailsMissing: string | false =
  process.getuid?.() === 0 ? ((await jailsForbidden()) ?? false) : "only root can jail";
