import { define } from "../command.ts";
import { bundle, bundleOptions, renderBundled } from "../publishing.ts";

export default define({
  name: "kernel bundle",
  summary: "write a kernel to a file that a catalog can name",
  arguments: "<kernel> [path]",
  options: bundleOptions,
  examples: [
    [
      "banger kernel bundle debian-cloud",
      "here, as debian-cloud-<sha256>.tar.zst; the same kernel gives the same file",
    ],
    ["banger kernel bundle debian-cloud ./out --as team-cloud", "under another name"],
  ],
  handler: ({ args, options }, context) => bundle(context, ({ kernels }) => kernels, args, options),
  render: renderBundled,
});
