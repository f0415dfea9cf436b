import { refreshCatalogs } from "../catalogs.ts";
import { define, json } from "../command.ts";
import { table } from "../terminal/table.ts";
import { since } from "../terminal/view.ts";

export default define({
  name: "catalog list",
  summary: "the catalogs of config.toml, and how they are",
  options: { json },
  examples: [["banger catalog list", "each is fetched and checked; docs/catalog.md tells how one is made"]],
  handler: async (_, context) => refreshCatalogs(await context.connect(), context),
  render: (catalogs, { now }) =>
    catalogs.length === 0
      ? "no catalogs: [[catalogs]] in config.toml names them\n"
      : table(
          ["CATALOG", "SERIAL", "UPDATED", "IMAGES", "KERNELS", "STATE"],
          catalogs.map(({ url, serial, updated_at, images, kernels, problem }) => [
            url,
            serial === null ? "-" : String(serial),
            updated_at === null ? "-" : `${since(updated_at, now)} ago`,
            String(images),
            String(kernels),
            problem?.code ?? "verified",
          ]),
        ),
  exitCode: (catalogs) => (catalogs.some(({ problem }) => problem) ? 1 : 0),
});
