/** Default sizes of a VM: config → share of the host → built-in floor, field by field (spec 3.2). */
import { GIB, MIB } from "./units.ts";

export interface HostSize {
  readonly cpus: number;
  readonly memoryBytes: number;
}

export interface VmSizes {
  readonly vcpu: number;
  readonly memoryMib: number;
  readonly diskBytes: number;
}

type Origin = "config" | "auto" | "builtin";

export type VmDefaults = {
  readonly [K in keyof VmSizes]: { readonly value: VmSizes[K]; readonly origin: Origin };
};

const FLOOR: VmSizes = { vcpu: 2, memoryMib: 2048, diskBytes: 8 * GIB };
const MAX_AUTO = { vcpu: 4, memoryMib: 8 * 1024 };

/** Pure: what a VM gets when nothing is asked for, and where each value comes from. */
export function resolveVmDefaults(config: Partial<VmSizes>, host: HostSize): VmDefaults {
  const autoVcpu = Math.min(Math.floor(host.cpus / 4), MAX_AUTO.vcpu);
  const autoMemory = Math.min(Math.floor(host.memoryBytes / MIB / 8), MAX_AUTO.memoryMib);
  return {
    vcpu: choose(config.vcpu, autoVcpu, Math.min(FLOOR.vcpu, host.cpus)),
    memoryMib: choose(config.memoryMib, autoMemory, FLOOR.memoryMib),
    diskBytes: choose(config.diskBytes, 0, FLOOR.diskBytes),
  };
}

function choose(
  configured: number | undefined,
  auto: number,
  floor: number,
): { value: number; origin: Origin } {
  if (configured !== undefined) return { value: configured, origin: "config" };
  if (auto >= floor) return { value: auto, origin: "auto" };
  return { value: floor, origin: "builtin" };
}
