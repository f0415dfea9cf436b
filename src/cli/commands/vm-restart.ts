import { define, json, quiet } from "../command.ts";
import { wait } from "../options/machine.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";
import { stopOptions, stopTimeout } from "./vm-stop.ts";

export default define({
  name: "vm restart",
  summary: "stop and start VMs",
  arguments: "<vm...>",
  options: { ...stopOptions, wait, quiet, json },
  examples: [
    ["banger vm restart box", "a new boot with the same disk; a stopped VM is started"],
    ["banger vm restart -f box --wait system", "without asking the guest, until its system is up"],
  ],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => {
      const wait = options.wait && { wait: options.wait };
      return (await vm.restart({ ...following, ...stopTimeout(options), ...wait })).state;
    }),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
