/** The driver that would run a VM, and why that one. */
import { qemuDriver } from "../vmm/qemu/driver.ts";
import { fail, pass, type Row, warn } from "./row.ts";

export async function checkDriver(): Promise<Row> {
  const status = await qemuDriver.probe();
  if (!status.usable) return fail("driver", `qemu: ${status.reason}`, status.fix);
  const detail = `qemu/${status.accelerator}: ${status.version}, ${status.why}`;
  return status.accelerator === "kvm"
    ? pass("driver", detail)
    : warn("driver", detail, "VMs work, several times slower than with KVM; no action is needed");
}
