import { define, json, quiet } from "../command.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";

export default define({
  name: "vm delete",
  summary: "delete VMs and their disks",
  arguments: "<vm...>",
  options: { quiet, json },
  examples: [
    ["banger vm delete box", "also while it runs; there is no way back"],
    ["banger vm delete one two", "several at once"],
  ],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => {
      await vm.delete(following);
      return "deleted";
    }),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
