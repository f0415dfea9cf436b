import { formatSize, MIB } from "../../core/units.ts";
import type { Vm } from "../../sdk/index.ts";
import { define, flag, json } from "../command.ts";
import { portText } from "../terminal/ports.ts";
import { table } from "../terminal/table.ts";
import { type Style, since, usage } from "../terminal/view.ts";

export default define({
  name: "vm list",
  summary: "VMs and what they use",
  options: { all: flag("-a, --all", "stopped ones too"), json },
  examples: [
    ["banger ps", "running VMs"],
    ["banger vm list -a --json", "all of them, for programs"],
  ],
  handler: async ({ options }, context) => {
    const banger = await context.connect();
    const vms = (await banger.list()).map((sandbox) => sandbox.info);
    return options.all ? vms : vms.filter((vm) => vm.state !== "stopped");
  },
  render: (vms, { style, now }) =>
    table(
      ["NAME", "STATE", "IMAGE", "DRIVER", "VCPU", "MEM", "DISK", "PORTS", "UPTIME"],
      vms.map((vm) => [
        vm.name,
        colourState(vm.state, style),
        vm.image.name,
        vm.accelerator ? `${vm.driver}/${vm.accelerator}` : vm.driver,
        String(vm.vcpu),
        formatSize(vm.memory_mib * MIB),
        usage(vm.disk_used_bytes, vm.disk_bytes),
        vm.publish.map(portText).join(", ") || "-",
        vm.state === "running" ? since(vm.started_at, now) : "-",
      ]),
    ),
});

/** A state in its colour: green runs, red is wrong, yellow is on its way. */
export function colourState(state: Vm["state"], style: Style): string {
  if (state === "running") return style.green(state);
  if (state === "error") return style.red(state);
  return state === "stopped" ? state : style.yellow(state);
}
