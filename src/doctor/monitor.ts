/** The driver that would run a VM, and why that one. */
import type { Driver } from "../vmm/driver.ts";
import { fail, pass, type Row, warn } from "./row.ts";

/**
 * One row: which driver runs VMs, and why that one.
 * @param wanted the configuration's `driver`: a name, or `auto` for the first that can be used
 */
export async function checkDriver(
  wanted: string,
  drivers: readonly Pick<Driver, "name" | "probe">[],
): Promise<Row> {
  const candidates = drivers.filter(({ name }) => wanted === "auto" || name === wanted);
  const passedOver: string[] = [];
  let refusal = fail("driver", `there is no driver '${wanted}'`, "set driver in config.toml to auto");
  for (const { name, probe } of candidates) {
    const status = await probe();
    if (!status.usable) {
      passedOver.push(`; not ${name}: ${status.reason}`);
      refusal = fail("driver", `${name}: ${status.reason}`, status.fix);
      continue;
    }
    const chosen = wanted === "auto" ? "" : " (chosen by the configuration)";
    const detail = `${name}/${status.accelerator}${chosen}: ${status.version}, ${status.why}${passedOver.join("")}`;
    if (status.caution !== undefined) return warn("driver", detail, status.caution);
    return status.accelerator === "kvm"
      ? pass("driver", detail)
      : warn("driver", detail, "VMs work, several times slower than with KVM");
  }
  return refusal;
}
