import { formatSize } from "../../core/units.ts";
import type { Snapshot } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { table } from "../terminal/table.ts";
import { since } from "../terminal/view.ts";

export default define({
  name: "vm snapshot list",
  summary: "snapshots of VMs",
  options: { json },
  examples: [["banger vm snapshot list", "of which VM, how large, and what they need to be restored"]],
  handler: async (_, context) => (await context.connect()).snapshots.list(),
  render: (snapshots, { now }) =>
    table(
      ["NAME", "OF", "KIND", "SIZE", "AGE", "IMAGE", "KERNEL", "DRIVER"],
      snapshots.map((one) => [
        one.name,
        lineage(one),
        one.kind,
        formatSize(one.size_bytes),
        since(one.created_at, now),
        one.image.name,
        one.kernel.release,
        driver(one),
      ]),
    ),
});

/** The VM, and the snapshot that it came from. */
const lineage = ({ vm, parent }: Snapshot) => (parent === null ? vm.name : `${vm.name} (of ${parent})`);

/** What it goes on with: for a disk alone, any. */
export const driver = ({ driver, driver_version, accelerator }: Snapshot) =>
  driver_version === null ? driver : `${driver}/${accelerator} ${driver_version}`;
