import { resolve } from "node:path";
import { BangerError } from "../../core/errors.ts";
import { define, json, quiet, text } from "../command.ts";
import { withHostPackages } from "../host-packages.ts";
import { pullOptions, renderPulled } from "../pull.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "kernel import",
  summary: "make a kernel of files of this host",
  arguments: "<name>",
  options: {
    from: text("--from <path>", "a folder with the kernel, and its modules and configuration if it has them"),
    vmlinuz: text("--vmlinuz <file>", "the kernel alone: bzImage or ELF"),
    modules: text("--modules <path>", "with --vmlinuz: its lib/modules/<release>, or a squashfs of that"),
    config: text("--config <file>", "with --vmlinuz: what it was built with, if it does not carry that"),
    yes: pullOptions.yes,
    quiet,
    json,
  },
  examples: [
    ["banger kernel import generic --from build/", "what kernels/generic/build.sh left"],
    [
      "banger kernel import mine --vmlinuz /boot/vmlinuz-6.1.0-9-amd64 --modules /lib/modules/6.1.0-9-amd64",
      "a kernel of this host",
    ],
    ["banger kernel import mine --from ~/linux", "a tree that was built; everything must be built in"],
  ],
  handler: async ({ args: [name = ""], options }, context) => {
    const files = filesOf(options);
    const { kernels } = await context.connect();
    const entry = await withHostPackages(context, options.yes, () =>
      withProgress(context, options.quiet, (following) => kernels.import(name, files, following)),
    );
    return { entry, obtained: true };
  },
  render: renderPulled,
  json: ({ entry }) => entry,
});

interface Options {
  readonly from?: string | undefined;
  readonly vmlinuz?: string | undefined;
  readonly modules?: string | undefined;
  readonly config?: string | undefined;
}

function filesOf({ from, vmlinuz, modules, config }: Options) {
  const more = {
    ...(modules !== undefined && { modules: resolve(modules) }),
    ...(config !== undefined && { config: resolve(config) }),
  };
  if (vmlinuz !== undefined && from === undefined) return { vmlinuz: resolve(vmlinuz), ...more };
  if (from !== undefined && vmlinuz === undefined && Object.keys(more).length === 0)
    return { from: resolve(from) };
  throw BangerError.of("invalid_argument", {
    what: "kernel import",
    problem: from === undefined ? "there is nothing to import" : "--from names everything already",
    accepted: "use either --from FOLDER, or --vmlinuz FILE with --modules and --config",
  });
}
