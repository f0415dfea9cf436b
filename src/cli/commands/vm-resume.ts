import { define, json, quiet } from "../command.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";

export default define({
  name: "vm resume",
  summary: "let paused VMs go on",
  arguments: "<vm...>",
  options: { quiet, json },
  examples: [["banger vm resume box", "where it was, its clock put right"]],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => (await vm.resume(following)).state),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
