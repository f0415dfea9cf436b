import { checkName } from "../../core/ids.ts";
import { parseRate } from "../../core/rate-limit.ts";
import { BangerError } from "../../sdk/index.ts";
import { choice, define, json, parsed, quiet, type Values } from "../command.ts";
import { sizeOptions } from "../options/machine.ts";
import { withProgress } from "../terminal/progress.ts";
import { renderVm } from "./vm-show.ts";

const settingOptions = {
  name: parsed("--name <name>", "a new name, a DNS label; a running guest's hostname follows", checkName),
  ...sizeOptions,
  nat: choice("--nat <state>", "outbound network; a running guest has or loses it at once", ["on", "off"]),
  diskRate: parsed("--disk-rate <rate>", "as for vm create, or off; while it is stopped", (text) =>
    text === "off" ? null : parseRate(text, "--disk-rate", true),
  ),
  netRate: parsed("--net-rate <rate>", "as for vm create, or off; while it is stopped", (text) =>
    text === "off" ? null : parseRate(text, "--net-rate", false),
  ),
};

export default define({
  name: "vm set",
  summary: "change a VM: its name, its sizes, its network",
  arguments: "<vm>",
  options: { ...settingOptions, quiet, json },
  examples: [
    ["banger vm set box --disk-size 20G", "disks only grow; a running guest has the room at once"],
    ["banger vm set box --nat on", "a network from now on; off takes it away, connections too"],
    ["banger vm set box --disk-rate 20M --net-rate off", "limits of speed, while it is stopped"],
    ["banger vm set box --vcpu 2 --memory 4G", "while it is stopped"],
    ["banger vm set box --name crate --disk-size 20G", "several at once: all of it or nothing"],
  ],
  handler: async ({ args: [ref = ""], options }, context) => {
    const settings = settingsOf(options);
    const vm = await (await context.connect()).get(ref);
    return withProgress(context, options.quiet, (following) => vm.set(settings, following));
  },
  render: renderVm,
});

function settingsOf({ name, vcpu, memory, diskSize, nat, diskRate, netRate }: Values<typeof settingOptions>) {
  const settings = {
    ...(name !== undefined && { name }),
    ...(vcpu !== undefined && { vcpu }),
    ...(memory !== undefined && { memoryMib: memory }),
    ...(diskSize !== undefined && { diskBytes: diskSize }),
    ...(nat !== undefined && { nat: nat === "on" }),
    ...(diskRate !== undefined && { diskRate }),
    ...(netRate !== undefined && { netRate }),
  };
  if (Object.keys(settings).length > 0) return settings;
  throw BangerError.of("invalid_argument", {
    what: "vm set",
    problem: "nothing to change",
    accepted: "accepted: --name, --vcpu, --memory, --disk-size, --nat, --disk-rate, --net-rate",
  });
}
