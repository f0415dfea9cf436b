import { BangerError } from "../../core/errors.ts";
import type { Vm } from "../../sdk/index.ts";
import { define, flag, json, quiet } from "../command.ts";
import { withHostPackages } from "../host-packages.ts";
import { defaultsNote, machineOptions, resolveMachine, specLead, specLine } from "../options/machine.ts";
import { notePublished } from "../terminal/ports.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "vm create",
  summary: "make a VM without running anything in it",
  options: { ...machineOptions, noStart: flag("--no-start", "leave it stopped"), quiet, json },
  examples: [
    ["banger vm create --name box", "prints the VM's name when commands can run in it"],
    ["banger vm create --no-start --json", "only its disk and record; prints everything about it"],
  ],
  notes: defaultsNote,
  handler: async ({ options }, context): Promise<Vm> => {
    if (options.noStart && options.wait) {
      throw BangerError.of("invalid_argument", {
        what: "vm create",
        problem: "--no-start and --wait exclude each other: nothing starts that could be waited for",
        accepted: "later: banger vm start VM --wait system",
      });
    }
    const machine = await resolveMachine(options);
    const banger = await context.connect();
    const driver = options.quiet ? null : (await context.status()).driver;
    if (driver && options.noStart) context.note(specLine(machine, driver));
    const vm = await withHostPackages(context, options.yes, () =>
      withProgress(
        context,
        options.quiet,
        (following) => banger.create({ ...machine, start: !options.noStart, keep: true }, following),
        driver && !options.noStart ? specLead(machine, driver) : undefined,
      ),
    );
    if (!options.quiet) notePublished(context, vm.info);
    return vm.info;
  },
  render: (vm) => `${vm.name}\n`,
});
