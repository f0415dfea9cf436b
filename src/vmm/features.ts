/** What drivers can do beyond the interface's core, declared by each. docs/drivers.md is made of this. */
import { BangerError } from "../core/errors.ts";

export interface DriverFeatures {
  readonly emulation: boolean;
  readonly nested: boolean;
  readonly nat: boolean;
  readonly netRate: boolean;
  readonly diskRate: boolean;
  readonly growDisk: boolean;
  readonly pause: boolean;
  readonly snapshot: boolean;
}

export type Feature = keyof DriverFeatures;

/** For people: what the feature is, and how they ask for it where they do. */
export const FEATURES: Record<Feature, { readonly what: string; readonly option?: string }> = {
  emulation: { what: "Runs without KVM, in software, several times slower" },
  nested: { what: "Virtualization inside the guest", option: "--nested" },
  nat: { what: "Outbound network without root", option: "--nat" },
  netRate: { what: "The network's speed can be limited", option: "--net-rate" },
  diskRate: { what: "The disk's speed can be limited", option: "--disk-rate" },
  growDisk: { what: "The disk grows while the VM runs" },
  pause: { what: "Pause and resume in memory" },
  snapshot: { what: "Memory and devices are saved to files, and restored in a new process" },
};

/** Refuses what a driver cannot do, before anything is made. Pure. @throws driver_unavailable */
export function requireFeatures(
  driver: { readonly name: string; readonly features: DriverFeatures },
  wanted: readonly Feature[],
): void {
  const lacking = wanted.find((feature) => !driver.features[feature]);
  if (lacking !== undefined) throw lacks(driver.name, lacking, "it does not have");
}

/** @param why a feature of a driver's cannot be had */
export function lacks(driver: string, feature: Feature, why: string): BangerError {
  const { what, option } = FEATURES[feature];
  return BangerError.of("driver_unavailable", {
    driver,
    reason: `${why}: ${what}`,
    fix: `leave out ${option ?? "what asks for it"}, or choose another --driver (docs/drivers.md)`,
  });
}
