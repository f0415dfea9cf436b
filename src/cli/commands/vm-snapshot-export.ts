import { define, quiet } from "../command.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "vm snapshot export",
  summary: "write a snapshot to one file",
  arguments: "<snapshot> <file>",
  options: { quiet },
  details:
    "The file is a tar.zst of the manifest, the disk and the memory: whatever was in the VM is in it, secrets too. The image and the kernel are not: where it is imported they must be the same.",
  examples: [["banger vm snapshot export ready ready.tar.zst", "for another home or host"]],
  handler: async ({ args: [ref = "", file = ""], options }, context) => {
    const { snapshots } = await context.connect();
    await withProgress(context, options.quiet, (following) => snapshots.export(ref, file, following));
  },
  render: () => "",
});
