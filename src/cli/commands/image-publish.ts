import { define, text } from "../command.ts";
import { publish, publishOptions, renderPublished } from "../publishing.ts";

export default define({
  name: "image publish",
  summary: "put an image into your signed catalog",
  arguments: "<image>",
  options: {
    ...publishOptions,
    kernel: text("--kernel <kernel>", "the kernel that it is made for; it is obtained with the image"),
  },
  examples: [
    [
      "banger image publish debian-slim --as company --to ./published --key team.key",
      "makes the catalog, or brings it up to date",
    ],
    ["banger image publish team/app:1 --as app --to ./published --key team.key", "under another name"],
  ],
  details:
    "A recipe's own name means the recipe, whatever catalogs say: give such an image another with --as.\nAny static web server can hand the folder out: rclone copy ./published remote:bucket (docs/catalog.md).",
  handler: ({ args: [name = ""], options }, context) =>
    publish(context, ({ images }) => images, name, options),
  render: renderPublished,
});
