import { basename } from "node:path";
import { clean } from "../../core/errors.ts";
import { formatSize, MIB } from "../../core/units.ts";
import type { Vm } from "../../sdk/index.ts";
import { define, flag, json } from "../command.ts";
import { portsText } from "../terminal/ports.ts";
import { table } from "../terminal/table.ts";
import { type Style, since, until, usage, type View } from "../terminal/view.ts";

export default define({
  name: "vm list",
  summary: "VMs and what they use",
  options: { all: flag("-a, --all", "stopped ones too"), json },
  examples: [
    ["banger ps", "running VMs, and when they stop by themselves (--ttl, auto_stop_after)"],
    ["banger vm list -a --json", "all of them, for programs"],
  ],
  handler: async ({ options }, context) => {
    const banger = await context.connect();
    const vms = (await banger.list()).map((sandbox) => sandbox.info);
    return options.all ? vms : vms.filter((vm) => vm.state !== "stopped");
  },
  render: (vms, view) =>
    table(
      COLUMNS.map(([heading]) => heading),
      vms.map((vm) => COLUMNS.map(([, cell]) => cell(vm, view))),
    ),
});

const COLUMNS: readonly (readonly [heading: string, cell: (vm: Vm, view: View) => string])[] = [
  ["NAME", (vm) => vm.name],
  ["STATE", (vm, { style }) => colourState(vm.state, style)],
  ["IMAGE", (vm) => vm.image.name],
  ["DRIVER", (vm) => (vm.accelerator ? `${vm.driver}/${vm.accelerator}` : vm.driver)],
  ["VCPU", (vm) => String(vm.vcpu)],
  ["MEM", (vm) => formatSize(vm.memory_mib * MIB)],
  ["DISK", (vm) => usage(vm.disk_used_bytes, vm.disk_bytes)],
  ["IP", (vm) => vm.ip ?? "-"],
  ["PORTS", portsText],
  ["UPTIME", (vm, { now }) => (vm.state === "running" ? since(vm.started_at, now) : "-")],
  ["STOPS", (vm, { now }) => until(vm.stops_at, now)],
  ["WORKSPACE", ({ workspace }) => (workspace ? workspaceText(workspace) : "-")],
];

const workspaceText = ({ root, branch }: NonNullable<Vm["workspace"]>) =>
  clean(`${basename(root)}:${branch ?? "detached"}`);

/** A state in its colour: green runs, red is wrong, yellow is on its way. */
export function colourState(state: Vm["state"], style: Style): string {
  if (state === "running") return style.green(state);
  if (state === "error") return style.red(state);
  return state === "stopped" ? state : style.yellow(state);
}
