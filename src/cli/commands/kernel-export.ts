import { resolve } from "node:path";
import { define, quiet } from "../command.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "kernel export",
  summary: "write a kernel to a folder, for another host's kernel import",
  arguments: "<kernel> <path>",
  options: { quiet },
  examples: [["banger kernel export generic ./generic", "vmlinuz, modules.squashfs, config"]],
  handler: async ({ args: [kernel = "", path = ""], options }, context) => {
    const { kernels } = await context.connect();
    return withProgress(context, options.quiet, (following) =>
      kernels.export(kernel, resolve(path), following),
    );
  },
  render: () => "",
});
