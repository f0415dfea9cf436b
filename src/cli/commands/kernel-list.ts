import { formatSize } from "../../core/units.ts";
import { refreshCatalogs } from "../catalogs.ts";
import { define, flag, json } from "../command.ts";
import { shortDigest } from "../pull.ts";
import { table } from "../terminal/table.ts";
import { since } from "../terminal/view.ts";

export default define({
  name: "kernel list",
  summary: "kernels that VMs boot",
  options: { available: flag("--available", "those that can be obtained too"), json },
  examples: [["banger kernel list --available", "what is here and what could be"]],
  handler: async ({ options }, context) => {
    const banger = await context.connect();
    if (options.available) await refreshCatalogs(banger, context);
    return banger.kernels.list({ available: options.available });
  },
  render: (kernels, { now }) =>
    table(
      ["NAME", "RELEASE", "DIGEST", "SIZE", "AGE", "SOURCE", "VMS"],
      kernels.map((kernel) => [
        kernel.name,
        kernel.release ?? "-",
        shortDigest(kernel.digest),
        kernel.size_bytes === null ? "-" : formatSize(kernel.size_bytes),
        since(kernel.created_at, now),
        kernel.source,
        String(kernel.used_by.length),
      ]),
    ),
});
