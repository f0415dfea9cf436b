import type { Vm } from "../../sdk/index.ts";
import { define, json, quiet } from "../command.ts";
import { withHostPackages } from "../host-packages.ts";
import { restoreOptions, restoreRequest, snapshotLine } from "../options/from-snapshot.ts";
import { notePublished } from "../terminal/ports.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "vm restore",
  summary: "make a VM of a snapshot, which goes on from there",
  arguments: "<snapshot>",
  options: { ...restoreOptions, quiet, json },
  details: `It is a machine of its own: name, machine id, ssh host keys, random numbers, clock and network are new before its
first command. What ran goes on running. A VM that exists is never overwritten: delete it first, then its name is free.`,
  examples: [
    ["banger vm restore ready", "a new VM, with a two-word name"],
    ["banger vm restore ready --name box", "box must not exist"],
  ],
  handler: async ({ args: [ref = ""], options }, context): Promise<Vm> => {
    const request = restoreRequest(options);
    const banger = await context.connect();
    if (!options.quiet) context.note(snapshotLine(await banger.snapshots.get(ref)));
    const vm = await withHostPackages(context, options.yes, () =>
      withProgress(context, options.quiet, (following) =>
        banger.restore(ref, { ...request, keep: true }, following),
      ),
    );
    if (!options.quiet) notePublished(context, vm.info);
    return vm.info;
  },
  render: (vm) => `${vm.name}\n`,
});
