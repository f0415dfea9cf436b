import { resolve } from "node:path";
import { BangerError } from "../../core/errors.ts";
import { choice, define, quiet } from "../command.ts";
import { withHostPackages } from "../host-packages.ts";
import { pullOptions } from "../pull.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "image export",
  summary: "write an image to a file or folder that other tools read",
  arguments: "<image> <target>",
  options: {
    format: choice(
      "--format <format>",
      "oci: a folder; oci-archive: a tar of it; rootfs: a tar of the files alone",
      ["oci", "oci-archive", "rootfs"],
    ),
    yes: pullOptions.yes,
    quiet,
  },
  examples: [
    [
      "banger image export python:3.12-slim python.tar",
      "an OCI archive, because of .tar: skopeo copy oci-archive:python.tar …",
    ],
    ["banger image export app:1 ./layout", "an OCI layout"],
    ["banger image export debian-slim --format rootfs - | tar t", "the files, on standard output"],
  ],
  handler: async ({ args: [image = "", target = ""], options }, context) => {
    const toStdout = target === "-";
    const format = options.format ?? (toStdout || target.endsWith(".tar") ? "oci-archive" : "oci");
    if (toStdout && format === "oci") {
      throw BangerError.of("invalid_argument", {
        what: "image export",
        problem: "a folder cannot go to standard output",
        accepted: "use --format oci-archive or --format rootfs",
      });
    }
    const banger = await context.connect();
    const write = (path: string) =>
      withHostPackages(context, options.yes, () =>
        withProgress(context, options.quiet, (following) =>
          banger.images.export(image, path, { format, ...following }),
        ),
      );
    if (!toStdout) return write(resolve(target));
    const { withOutputAsFile } = await import("../spool.ts");
    await withOutputAsFile(context, write);
  },
  render: () => "",
});
