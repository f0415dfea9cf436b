/** Finding a VM by what a person typed: name, id, or unique id prefix (spec 2). */
import { BangerError } from "../core/errors.ts";

/** Pure. Names win over prefixes. @throws vm_not_found | vm_ambiguous */
export function findVm<T extends { readonly id: string; readonly name: string }>(
  vms: readonly T[],
  ref: string,
): T {
  const exact = vms.find((vm) => vm.name === ref || vm.id === ref);
  if (exact) return exact;
  const byPrefix = vms.filter(
    (vm) => ref.length > 0 && (vm.id.startsWith(ref) || vm.id.startsWith(`vm-${ref}`)),
  );
  const [only, second] = byPrefix;
  if (only && !second) return only;
  if (second) {
    const matches = byPrefix
      .slice(0, 5)
      .map((vm) => `${vm.name} (${vm.id})`)
      .join(", ");
    throw BangerError.of("vm_ambiguous", { ref, matches });
  }
  throw BangerError.of("vm_not_found", { ref });
}
