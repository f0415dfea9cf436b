/** The configuration and what follows from it. */
import { formatSize, MIB } from "../core/units.ts";
import { readConfig } from "../host/config-file.ts";
import { exists } from "../host/files.ts";
import { configFile, type Paths } from "../host/paths.ts";
import { vmDefaults } from "../host/vm-defaults.ts";
import { pass, type Row } from "./row.ts";

export async function checkConfiguration(paths: Paths): Promise<Row> {
  await readConfig(paths);
  const file = configFile(paths);
  return pass("configuration", (await exists(file)) ? file : "none; the defaults hold");
}

export async function checkDefaults(paths: Paths): Promise<Row> {
  const sizes = vmDefaults(await readConfig(paths));
  return pass(
    "VM defaults",
    [
      `${sizes.vcpu.value} vcpu (${sizes.vcpu.origin})`,
      `${formatSize(sizes.memoryMib.value * MIB)} memory (${sizes.memoryMib.origin})`,
      `${formatSize(sizes.diskBytes.value)} disk (${sizes.diskBytes.origin})`,
    ].join(", "),
  );
}
