import { define, json, quiet } from "../command.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";

export default define({
  name: "vm pause",
  summary: "have VMs stand still in memory",
  arguments: "<vm...>",
  options: { quiet, json },
  details:
    "Everything in a paused VM stops where it is and takes no processor time; its memory stays taken. Commands and connections into it wait, new ones are refused. Its lifetime (--ttl) goes on, its idle time does not. banger vm resume lets it go on.",
  examples: [
    ["banger vm pause box", "banger vm resume box goes on"],
    ["banger vm pause one two", "several at once"],
  ],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => (await vm.pause(following)).state),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
