import { resolve } from "node:path";
import { define, json, quiet, text } from "../command.ts";
import type { Context } from "../context.ts";
import { withHostPackages } from "../host-packages.ts";
import { pullOptions, renderPulled } from "../pull.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "image import",
  summary: "make an image of a tar, an archive of docker or podman, or an OCI layout",
  arguments: "<file> [name]",
  options: {
    tag: text("--tag <name>", "which of several images in the file"),
    yes: pullOptions.yes,
    quiet,
    json,
  },
  examples: [
    ["banger image import rootfs.tar team/base:1", "a root filesystem, compressed or not"],
    ["docker save app:1 | banger image import -", "an archive keeps its name"],
    ["banger image import ./layout --tag v2 app:2", "one image of an OCI layout"],
  ],
  handler: ({ args: [file = "", name], options }, context) =>
    withFile(file, context, async (path) => {
      const banger = await context.connect();
      const entry = await withHostPackages(context, options.yes, () =>
        withProgress(context, options.quiet, (following) =>
          banger.images.import(path, { name, tag: options.tag, ...following }),
        ),
      );
      return { entry, obtained: true };
    }),
  render: renderPulled,
  json: ({ entry }) => entry,
});

/** The daemon reads a file more than once. */
async function withFile<T>(file: string, context: Context, work: (path: string) => Promise<T>): Promise<T> {
  if (file !== "-") return work(resolve(file));
  const { withInputAsFile } = await import("../spool.ts");
  return withInputAsFile(context, work);
}
