/** The configuration and what follows from it. */
import { availableParallelism, totalmem } from "node:os";
import { formatSize, MIB } from "../core/units.ts";
import { resolveVmDefaults } from "../core/vm-defaults.ts";
import { readConfig } from "../host/config-file.ts";
import { exists } from "../host/files.ts";
import { configFile, type Paths } from "../host/paths.ts";
import { pass, type Row } from "./row.ts";

export async function checkConfiguration(paths: Paths): Promise<Row> {
  await readConfig(paths);
  const file = configFile(paths);
  return pass("configuration", (await exists(file)) ? file : "none; the defaults hold");
}

export async function checkDefaults(paths: Paths): Promise<Row> {
  const { vcpu, memory, disk_size } = (await readConfig(paths)).vm_defaults;
  const host = { cpus: availableParallelism(), memoryBytes: totalmem() };
  const sizes = resolveVmDefaults(
    {
      ...(vcpu !== undefined && { vcpu }),
      ...(memory !== undefined && { memoryMib: Math.floor(memory / MIB) }),
      ...(disk_size !== undefined && { diskBytes: disk_size }),
    },
    host,
  );
  return pass(
    "VM defaults",
    [
      `${sizes.vcpu.value} vcpu (${sizes.vcpu.origin})`,
      `${formatSize(sizes.memoryMib.value * MIB)} memory (${sizes.memoryMib.origin})`,
      `${formatSize(sizes.diskBytes.value)} disk (${sizes.diskBytes.origin})`,
    ].join(", "),
  );
}
