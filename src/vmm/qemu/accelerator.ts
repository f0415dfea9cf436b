/** Whether KVM can really be used. A /dev/kvm that opens is not enough: some hosts offer one that cannot boot a stock kernel. */
import { open } from "node:fs/promises";
import { arch } from "node:os";
import { exists } from "../../host/files.ts";
import type { Accelerator } from "../driver.ts";

export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** One sentence for people. */
  readonly why: string;
}

const BACKENDS = ["kvm_intel", "kvm_amd"];

/** Proves KVM by the device and its hardware backend; software emulation otherwise, with the reason. */
export async function chooseAccelerator(): Promise<AcceleratorChoice> {
  const software = (why: string): AcceleratorChoice => ({
    accelerator: "tcg",
    why: `software emulation (TCG): ${why}`,
  });
  if (!(await exists("/dev/kvm"))) return software("there is no /dev/kvm");
  // Opened, not just looked at: a container may forbid a device whose mode allows it.
  const device = await open("/dev/kvm", "r+").catch(() => null);
  await device?.close();
  if (!device) return software("/dev/kvm cannot be opened by this user (add it to group kvm)");
  const loaded = await Promise.all(BACKENDS.map((name) => exists(`/sys/module/${name}`)));
  const backend = arch() === "arm64" ? "arm64" : BACKENDS.find((_, index) => loaded[index]);
  if (!backend) return software(`/dev/kvm opens but no hardware backend (${BACKENDS.join(", ")}) is loaded`);
  return { accelerator: "kvm", why: `hardware virtualization (KVM, ${backend})` };
}
