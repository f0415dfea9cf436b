import { define, json, quiet } from "../command.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";
import { stopOptions, stopTimeout } from "./vm-stop.ts";

export default define({
  name: "vm restart",
  summary: "stop and start VMs",
  arguments: "<vm...>",
  options: { ...stopOptions, quiet, json },
  examples: [["banger vm restart box", "a new boot with the same disk"]],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => {
      await vm.stop({ ...following, ...stopTimeout(options) });
      return (await vm.start(following)).state;
    }),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
