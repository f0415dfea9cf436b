/**
 * `banger doctor`: whether this host has what banger needs. Read-only: starts no daemon, makes no folder, migrates nothing.
 */

import { type Config, parseConfig } from "../core/config.ts";
import { readConfig } from "../host/config-file.ts";
import type { Paths } from "../host/paths.ts";
import { homeFolder } from "../host/paths.ts";
import { keptElfKernel } from "../kernels/elf-kernel.ts";
import { KernelStore } from "../kernels/store.ts";
import type { Driver } from "../vmm/driver.ts";
import { makeDrivers } from "../vmm/drivers.ts";
import { checkLimits } from "./limits.ts";
import { checkArchitecture, checkNode } from "./machine.ts";
import { checkDriver } from "./monitor.ts";
import { guarded, type Row } from "./row.ts";
import { checkConfiguration, checkDefaults } from "./settings.ts";
import { checkSshInclude, checkSshKey } from "./ssh.ts";
import { checkDatabase, checkFolders, checkFreeSpace } from "./state.ts";
import { checkImage, checkKernel } from "./supplies.ts";
import { checkImageBuilds, checkTools } from "./tools.ts";

/** All rows but the daemon's, in the order in which they matter. */
export async function diagnose(paths: Paths): Promise<Row[]> {
  // One row tells that the configuration cannot be read; the others then judge by the defaults.
  const config = await readConfig(paths).catch(() => parseConfig({}, "", ""));
  const rows = await Promise.all([
    guarded("architecture", async () => checkArchitecture()),
    guarded("node", async () => checkNode()),
    guarded("driver", () => checkDriver(config.driver, driversHere(config, paths))),
    guarded("host tools", checkTools),
    guarded("limits", checkLimits),
    guarded("image builds", checkImageBuilds),
    guarded("folders", () => checkFolders(paths)),
    guarded("free disk", () => checkFreeSpace(paths)),
    guarded("database", () => checkDatabase(paths)),
    guarded("configuration", () => checkConfiguration(paths)),
    guarded("ssh key", () => checkSshKey(paths, config)),
    guarded("ssh include", () => checkSshInclude(paths, homeFolder())),
    guarded("VM defaults", async () => checkDefaults(config)),
    guarded("kernel", () => checkKernel(paths, config.default_kernel)),
    guarded("image", () => checkImage(paths, config.default_image, undefined, config.catalogs)),
  ]);
  return rows.flat();
}

/** As the daemon has them, but nothing is written. */
function driversHere(config: Config, paths: Paths): readonly Driver[] {
  const kernels = new KernelStore({ paths });
  const anyKernel = async () => {
    const kernel = await kernels.forProof();
    return kernel && { image: kernel.vmlinuz, elf: await keptElfKernel(paths.cache, kernel.digest) };
  };
  return makeDrivers(config, { cache: paths.cache, state: paths.state, anyKernel, keep: false }).all();
}
