import { define, flag, json, quiet } from "../command.ts";
import { wait } from "../options/machine.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";

export default define({
  name: "vm start",
  summary: "start stopped VMs",
  arguments: "<vm...>",
  options: {
    wait,
    cold: flag("--cold", "boot a VM that never ran, even if it could start from a template kept ready"),
    quiet,
    json,
  },
  examples: [
    ["banger vm start box", "ready when it says so"],
    ["banger vm start one two --wait system", "several at once, until their systems are up"],
  ],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => {
      const { state } = await vm.start({
        ...following,
        ...(options.wait && { wait: options.wait }),
        ...(options.cold && { cold: true }),
      });
      return state;
    }),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
