import { define } from "../command.ts";
import { bundle, bundleOptions, renderBundled } from "../publishing.ts";

export default define({
  name: "image bundle",
  summary: "write an image to a file that a catalog can name",
  arguments: "<image> [path]",
  options: bundleOptions,
  examples: [
    [
      "banger image bundle debian-slim",
      "here, as debian-slim-<sha256>.tar.zst; the same image gives the same file",
    ],
    ["banger image bundle team/app:1 ./out --as app", "names in catalogs have no / and no :"],
  ],
  handler: ({ args, options }, context) => bundle(context, ({ images }) => images, args, options),
  render: renderBundled,
});
