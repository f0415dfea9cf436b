/** Sizes of a VM for which none were asked: from the configuration, else from the host (spec: VM defaults). */
import { availableParallelism, totalmem } from "node:os";
import type { Config } from "../core/config.ts";
import { MIB } from "../core/units.ts";
import { type HostSize, resolveVmDefaults, type VmDefaults } from "../core/vm-defaults.ts";

/** What this machine has. */
export function hostSize(): HostSize {
  return { cpus: availableParallelism(), memoryBytes: totalmem() };
}

/** The default sizes and where each comes from. */
export function vmDefaults(config: Config, host: HostSize = hostSize()): VmDefaults {
  const { vcpu, memory, disk_size } = config.vm_defaults;
  return resolveVmDefaults(
    {
      ...(vcpu !== undefined && { vcpu }),
      ...(memory !== undefined && { memoryMib: Math.floor(memory / MIB) }),
      ...(disk_size !== undefined && { diskBytes: disk_size }),
    },
    host,
  );
}
