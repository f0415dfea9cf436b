/** Probing starts programs, so its result is kept; not what may be otherwise the next time. */
import type { DriverStatus } from "./driver.ts";

export function rememberStatus(probe: () => Promise<DriverStatus>): () => Promise<DriverStatus> {
  let status: Promise<DriverStatus> | undefined;
  return async () => {
    status ??= probe();
    const found = await status;
    // It may be installed or corrected meanwhile, or a kernel come to prove it with.
    if (!found.usable || found.provisional || found.lacks) status = undefined;
    return found;
  };
}
