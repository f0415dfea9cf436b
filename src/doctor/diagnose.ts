/**
 * `banger doctor`: whether this host has what banger needs. Read-only: starts no daemon, makes no folder, migrates nothing.
 */
import type { Paths } from "../host/paths.ts";
import { checkArchitecture, checkNode } from "./machine.ts";
import { checkDriver } from "./monitor.ts";
import { guarded, type Row } from "./row.ts";
import { checkConfiguration, checkDefaults } from "./settings.ts";
import { checkDatabase, checkFolders, checkFreeSpace } from "./state.ts";
import { checkImage, checkKernel } from "./supplies.ts";
import { checkTools, checkUserNamespaces } from "./tools.ts";

/** All rows, in the order in which they matter. */
export async function diagnose(paths: Paths): Promise<Row[]> {
  const rows = await Promise.all([
    guarded("architecture", async () => checkArchitecture()),
    guarded("node", async () => checkNode()),
    guarded("driver", checkDriver),
    guarded("host tools", checkTools),
    guarded("user namespaces", checkUserNamespaces),
    guarded("folders", () => checkFolders(paths)),
    guarded("free disk", () => checkFreeSpace(paths)),
    guarded("database", () => checkDatabase(paths)),
    guarded("configuration", () => checkConfiguration(paths)),
    guarded("VM defaults", () => checkDefaults(paths)),
    guarded("kernel", () => checkKernel(paths)),
    guarded("image", () => checkImage(paths)),
  ]);
  return rows.flat();
}
