import { KILL_SIGNALS } from "../../core/signals.ts";
import { choice, define, json, quiet } from "../command.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";

export default define({
  name: "vm kill",
  summary: "end VMs at once, without asking the guest",
  arguments: "<vm...>",
  options: {
    signal: choice("-s, --signal <name>", "what to send to the monitor: KILL unless given", KILL_SIGNALS),
    quiet,
    json,
  },
  examples: [
    ["banger vm kill box", "like pulling the plug; the disk stays, what was not synced is lost"],
    ["banger vm kill --signal TERM box", "the monitor still writes out what it holds"],
  ],
  handler: ({ args, options: { signal, quiet } }, context) =>
    forEachVm(context, args, quiet, async (vm, following) => (await vm.kill(signal, following)).state),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
