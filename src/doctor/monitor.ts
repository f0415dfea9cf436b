/** The driver that would run a VM, and why that one. */
import type { Driver, DriverStatus } from "../vmm/driver.ts";
import { fail, pass, type Row, warn } from "./row.ts";

/**
 * One row: which driver runs VMs, and why that one. Before it a row for each that was passed over because it is broken.
 * @param wanted the configuration's `driver`: a name, or `auto` for the first that can be used
 */
export async function checkDriver(
  wanted: string,
  drivers: readonly Pick<Driver, "name" | "probe">[],
): Promise<readonly Row[]> {
  const candidates = drivers.filter(({ name }) => wanted === "auto" || name === wanted);
  const broken: Row[] = [];
  const passedOver: string[] = [];
  let refusal = fail("driver", `there is no driver '${wanted}'`, "set driver in config.toml to auto");
  for (const { name, probe } of candidates) {
    const status = await probe();
    if (status.usable) {
      const chosen = wanted === "auto" ? "" : " (chosen by the configuration)";
      const detail = `${name}/${status.accelerator}${chosen}: ${status.version}, ${status.why}`;
      return [...broken, judged(status, detail + passedOver.join(""))];
    }
    passedOver.push(`; not ${name}: ${status.reason}`);
    refusal = fail("driver", `${name}: ${status.reason}`, status.fix);
    if (status.broken && wanted === "auto") broken.push(fail(name, status.reason, status.fix));
  }
  return [...broken, refusal];
}

function judged({ caution, accelerator }: DriverStatus & { readonly usable: true }, detail: string): Row {
  if (caution !== undefined) return warn("driver", detail, caution);
  return accelerator === "kvm"
    ? pass("driver", detail)
    : warn("driver", detail, "VMs work, several times slower than with KVM");
}
