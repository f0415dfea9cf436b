import { define, json, quiet } from "../command.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "vm snapshot import",
  summary: "take a snapshot from a file that vm snapshot export wrote",
  arguments: "<file> [name]",
  options: { quiet, json },
  examples: [
    ["banger vm snapshot import ready.tar.zst", "under the name that it had"],
    ["banger vm snapshot import ready.tar.zst theirs", "under another one"],
  ],
  handler: async ({ args: [file = "", name], options }, context) => {
    const { snapshots } = await context.connect();
    return withProgress(context, options.quiet, (following) =>
      snapshots.import(file, { name, ...following }),
    );
  },
  render: ({ name }) => `${name}\n`,
});
