/** Whether KVM can really be used. A /dev/kvm that opens is not enough: some hosts offer one that cannot boot a stock kernel. */
import { open, readFile } from "node:fs/promises";
import { arch } from "node:os";
import { exists } from "../host/files.ts";
import type { Accelerator } from "./driver.ts";
import type { Proof } from "./kvm-proof.ts";

export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** One sentence for people. */
  readonly why: string;
  /** It rests on signs only, because there was nothing yet to prove it with: ask again later. */
  readonly provisional?: boolean;
}

export interface KvmFacts {
  readonly device: "absent" | "closed" | "open";
  /** The hardware's module, e.g. `kvm_amd`. */
  readonly backend: string | null;
  /** This host is itself a virtual machine: its virtualization is another program's, not the processor's. */
  readonly virtual: boolean;
}

const BACKENDS = ["kvm_intel", "kvm_amd"];

export async function kvmFacts(): Promise<KvmFacts> {
  const loaded = await Promise.all(BACKENDS.map((name) => exists(`/sys/module/${name}`)));
  const cpuinfo = await readFile("/proc/cpuinfo", "latin1").catch(() => "");
  return {
    device: await device(),
    backend: arch() === "arm64" ? "arm64" : (BACKENDS.find((_, index) => loaded[index]) ?? null),
    virtual: /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo),
  };
}

async function device(): Promise<KvmFacts["device"]> {
  if (!(await exists("/dev/kvm"))) return "absent";
  // Opened, not just looked at: a container may forbid a device whose mode allows it.
  const file = await open("/dev/kvm", "r+").catch(() => null);
  await file?.close();
  return file ? "open" : "closed";
}

/**
 * KVM when the device opens and a hardware backend drives it; on a host that is itself virtual only when a kernel boots with
 * it, too. Software emulation otherwise, with the reason.
 * @param prove boots a kernel; asked only when in doubt
 */
export async function chooseAccelerator(
  { device, backend, virtual }: KvmFacts,
  prove: () => Promise<Proof>,
): Promise<AcceleratorChoice> {
  const software = (why: string): AcceleratorChoice => ({
    accelerator: "tcg",
    why: `software emulation (TCG): ${why}`,
  });
  if (device === "absent") return software("there is no /dev/kvm");
  if (device === "closed") return software("/dev/kvm cannot be opened by this user (add it to group kvm)");
  if (!backend) return software(`/dev/kvm opens but no hardware backend (${BACKENDS.join(", ")}) is loaded`);
  const why = `hardware virtualization (KVM, ${backend})`;
  if (!virtual) return { accelerator: "kvm", why };
  const proof = await prove();
  if (proof.result === "boots") return { accelerator: "kvm", why: `${why}, proved by a boot` };
  if (proof.result === "untried")
    return { accelerator: "kvm", why: `${why}, not proved yet`, provisional: true };
  return software(`/dev/kvm and ${backend} are there, but no kernel boots with them: ${proof.reason}`);
}
