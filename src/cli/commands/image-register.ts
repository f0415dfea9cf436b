import { resolve } from "node:path";
import { define, json, quiet } from "../command.ts";
import { renderPulled } from "../pull.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "image register",
  summary: "use a squashfs of this host as an image, where it lies",
  arguments: "<file> <name>",
  options: { quiet, json },
  examples: [
    [
      "banger image register build/rootfs.squashfs team/base:dev",
      "VMs of it read this file; nothing is copied",
    ],
  ],
  details:
    "The file must stay as it is: VMs of it do not start any more when it has changed. Registered again, the name stands for " +
    "its new content.",
  handler: async ({ args: [file = "", name = ""], options }, context) => {
    const { images } = await context.connect();
    const entry = await withProgress(context, options.quiet, (following) =>
      images.register(resolve(file), name, following),
    );
    return { entry, obtained: true };
  },
  render: renderPulled,
  json: ({ entry }) => entry,
});
