import { formatSize } from "../../core/units.ts";
import { BangerError, type Vm } from "../../sdk/index.ts";
import { define, flag, json, quiet } from "../command.ts";
import type { Context } from "../context.ts";
import { forEachVm, type Outcome, outcomesCode, renderOutcomes } from "../several.ts";
import { canAsk, confirmed } from "../terminal/confirm.ts";
import { table } from "../terminal/table.ts";
import { since } from "../terminal/view.ts";

export default define({
  name: "vm prune",
  summary: "delete all VMs that do not run",
  options: { force: flag("-f, --force", "do not ask"), quiet, json },
  examples: [
    ["banger vm prune", "shows what would go, and asks"],
    ["banger vm prune -f", "for scripts"],
  ],
  handler: async ({ options }, context): Promise<Outcome[]> => {
    const banger = await context.connect();
    const vms = (await banger.list()).map((vm) => vm.info).filter(({ state }) => rests(state));
    if (vms.length === 0) {
      if (!options.quiet) context.note("nothing to delete: all VMs run, or there is none");
      return [];
    }
    if (!options.force && !(await agreed(vms, context))) return [];
    const outcomes = await forEachVm(
      context,
      vms.map((vm) => vm.id),
      options.quiet,
      async (vm, following) => {
        await vm.delete({ ...following, unlessRunning: true }); // it may have been started while we asked
        return "deleted";
      },
    );
    const gone = new Set(outcomes.filter((outcome) => outcome.ok).map((outcome) => outcome.vm));
    const freed = vms.reduce((sum, vm) => sum + (gone.has(vm.name) ? vm.disk_used_bytes : 0), 0);
    if (!options.quiet) context.note(`${formatSize(freed)} freed`);
    return outcomes;
  },
  render: renderOutcomes,
  exitCode: outcomesCode,
});

const rests = (state: Vm["state"]) => state === "stopped" || state === "error";

function agreed(vms: readonly Vm[], context: Context): Promise<boolean> {
  if (!canAsk(context)) {
    throw BangerError.of("invalid_argument", {
      what: "vm prune",
      problem: `it would delete ${vms.map((vm) => vm.name).join(", ")}, and there is no terminal to ask on`,
      accepted: "banger vm prune -f deletes without asking",
    });
  }
  const rows = vms.map((vm) => [
    vm.name,
    vm.state,
    vm.image.name,
    formatSize(vm.disk_used_bytes),
    since(vm.created_at, Date.now()),
  ]);
  context.stderr.write(table(["NAME", "STATE", "IMAGE", "DISK", "AGE"], rows));
  return confirmed(
    context,
    `Delete ${vms.length === 1 ? "this VM" : `these ${vms.length} VMs`} and their disks?`,
    false,
  );
}
