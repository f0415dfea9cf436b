import { formatDuration } from "../../core/units.ts";
import { define, json, quiet } from "../command.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "vm snapshot create",
  summary: "keep a VM as it is now, under a name",
  arguments: "<vm> [name]",
  options: { quiet, json },
  details: `Of a VM that runs or is paused: its memory and its disk; it stands still meanwhile and is told for how long.
Of a stopped one: its disk. Without a name it gets the VM's and the time.`,
  examples: [
    ["banger vm snapshot create box ready", "banger vm restore ready makes a VM that goes on from there"],
    ["banger vm snapshot create box", "named by the time"],
  ],
  handler: async ({ args: [ref = "", name], options }, context) => {
    const vm = await (await context.connect()).get(ref);
    const snapshot = await withProgress(context, options.quiet, (following) =>
      vm.snapshot({ name, ...following }),
    );
    if (!options.quiet && snapshot.kind === "memory")
      context.note(`${vm.name} stood still for ${formatDuration(snapshot.stood_still_ms)}`);
    return snapshot;
  },
  render: ({ name }) => `${name}\n`,
});
