import { define } from "../command.ts";
import { publish, publishOptions, renderPublished } from "../publishing.ts";

export default define({
  name: "kernel publish",
  summary: "put a kernel into your signed catalog",
  arguments: "<kernel>",
  options: publishOptions,
  examples: [
    [
      "banger kernel publish generic --to ./published --key team.key",
      "makes the catalog, or brings it up to date",
    ],
    [
      "banger kernel publish debian-cloud --as team-cloud --to ./published --key team.key",
      "under another name",
    ],
  ],
  details:
    "debian-cloud means Debian's own, whatever catalogs say: give it another name with --as.\nAny static web server can hand the folder out: rclone copy ./published remote:bucket (docs/catalog.md).",
  handler: ({ args: [name = ""], options }, context) =>
    publish(context, ({ kernels }) => kernels, name, options),
  render: renderPublished,
});
