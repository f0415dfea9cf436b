/** The configuration and what follows from it. */
import type { Config } from "../core/config.ts";
import { formatSize, MIB } from "../core/units.ts";
import type { HostSize } from "../core/vm-defaults.ts";
import { readConfig } from "../host/config-file.ts";
import { exists } from "../host/files.ts";
import { configFile, type Paths } from "../host/paths.ts";
import { hostSize, vmDefaults } from "../host/vm-defaults.ts";
import { pass, type Row, warn } from "./row.ts";

/** @throws invalid_config */
export async function checkConfiguration(paths: Paths): Promise<Row> {
  await readConfig(paths);
  const file = configFile(paths);
  return pass("configuration", (await exists(file)) ? file : "none; the defaults hold");
}

/** What a VM gets when nothing is asked for, and where each value comes from. */
export function checkDefaults(config: Config, host: HostSize = hostSize()): Row {
  const { vcpu, memoryMib, diskBytes } = vmDefaults(config, host);
  const detail = [
    `${vcpu.value} vcpu (${vcpu.origin})`,
    `${formatSize(memoryMib.value * MIB)} memory (${memoryMib.origin})`,
    `${formatSize(diskBytes.value)} disk (${diskBytes.origin})`,
  ].join(", ");
  if (vcpu.value <= host.cpus && memoryMib.value * MIB <= host.memoryBytes)
    return pass("VM defaults", detail);
  return warn(
    "VM defaults",
    `${detail}: more than this host has (${host.cpus} cpus, ${formatSize(host.memoryBytes)})`,
    "set smaller [vm_defaults] in config.toml, or give --vcpu and --memory",
  );
}
