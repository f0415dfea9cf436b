/** What takes space on this host, and its removal. */
import type { Part, Prune, Pruned } from "../api/schemas.ts";
import { segment, type Transport } from "./transport.ts";

/** Nothing that a VM uses is ever removed, and creations, starts and pulls under way are waited for. */
export interface Cleaning {
  /** Everything that takes space: VMs, images, kernels, caches. */
  parts(): Promise<Part[]>;
  /** Removes what nothing uses; images and kernels only where a newer one has taken their place, unless `all`. */
  prune(
    kind: Prune["kind"],
    options?: { readonly all?: boolean; readonly dryRun?: boolean },
  ): Promise<Pruned>;
  /** Removes a kernel. @throws kernel_not_found | kernel_in_use */
  deleteKernel(ref: string): Promise<Pruned>;
}

export function cleaning(transport: Transport): Cleaning {
  return {
    parts: () => transport.json("/v1/parts"),
    prune: (kind, { all, dryRun } = {}) => {
      const body: Prune = { kind, ...(all && { all }), ...(dryRun && { dry_run: dryRun }) };
      return transport.json("/v1/prune", { method: "POST", body });
    },
    deleteKernel: (ref) => transport.json(`/v1/kernels/${segment(ref)}`, { method: "DELETE" }),
  };
}
