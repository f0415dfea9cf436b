import { formatDuration, formatSize, MIB } from "../../core/units.ts";
import type { Vm } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { portText } from "../terminal/ports.ts";
import { fields } from "../terminal/table.ts";
import { since, usage, type View } from "../terminal/view.ts";
import { colourState } from "./vm-list.ts";

export default define({
  name: "vm show",
  summary: "everything known about one VM",
  arguments: "<vm>",
  options: { json },
  examples: [["banger vm show brisk-otter", "by name, id, or the beginning of an id"]],
  handler: async ({ args: [ref = ""] }, context) => (await (await context.connect()).get(ref)).info,
  render: renderVm,
});

/** One VM for people. */
export function renderVm(vm: Vm, { style, now }: View): string {
  const state = colourState(vm.state, style);
  return fields([
    ["name", style.bold(vm.name)],
    ["id", vm.id],
    ["state", vm.reason ? `${state} (${vm.reason})` : state],
    ["uptime", vm.state === "running" ? since(vm.started_at, now) : null],
    ["image", `${vm.image.name}  ${style.dim(vm.image.digest)}`],
    ["kernel", `${vm.kernel.name} ${vm.kernel.release}  ${style.dim(vm.kernel.digest)}`],
    ["driver", vm.accelerator ? `${vm.driver}/${vm.accelerator}` : vm.driver],
    ["vcpu", vm.vcpu],
    ["memory", formatSize(vm.memory_mib * MIB)],
    ["disk", `${usage(vm.disk_used_bytes, vm.disk_bytes)} used on this host`],
    ["ports", vm.publish.length > 0 ? vm.publish.map(portText).join(", ") : null],
    ["nested", vm.nested ? "yes" : null],
    ["removed", vm.auto_remove ? "when the command that made it ends (--rm)" : null],
    ["created", vm.created_at],
    ["started", vm.started_at],
    ["boot", vm.boot ? boot(vm.boot) : null],
    ["boot id", vm.boot_id],
    ["monitor", vm.pid === null ? null : `pid ${vm.pid}`],
  ]);
}

function boot({ ready_ms, init_ms, root_ms, agent_ms, attempts }: NonNullable<Vm["boot"]>): string {
  const guest = `init ${formatDuration(init_ms)}, root ${formatDuration(root_ms)}, agent ${formatDuration(agent_ms)}`;
  return `ready in ${formatDuration(ready_ms)} (guest: ${guest})${attempts > 1 ? `, ${attempts} attempts` : ""}`;
}
