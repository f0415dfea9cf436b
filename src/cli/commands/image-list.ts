import { formatSize } from "../../core/units.ts";
import { refreshCatalogs } from "../catalogs.ts";
import { define, flag, json } from "../command.ts";
import { shortDigest } from "../pull.ts";
import { table } from "../terminal/table.ts";
import { since } from "../terminal/view.ts";

export default define({
  name: "image list",
  summary: "images that VMs are made of",
  options: { available: flag("--available", "those that can be obtained too"), json },
  examples: [["banger image list --available", "what is here and what could be"]],
  handler: async ({ options }, context) => {
    const banger = await context.connect();
    if (options.available) await refreshCatalogs(banger, context);
    return banger.images.list({ available: options.available });
  },
  render: (images, { now }) =>
    table(
      ["NAME", "DIGEST", "SIZE", "AGE", "SOURCE", "VMS"],
      images.map((image) => [
        image.name,
        shortDigest(image.digest),
        image.size_bytes === null ? "-" : formatSize(image.size_bytes),
        since(image.created_at, now),
        image.source,
        String(image.used_by.length),
      ]),
    ),
});
