import { formatSize } from "../../core/units.ts";
import type { KernelDetails } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { fields } from "../terminal/table.ts";
import { since, type View } from "../terminal/view.ts";

export default define({
  name: "kernel show",
  summary: "everything known about one kernel",
  arguments: "<kernel>",
  options: { json },
  examples: [["banger kernel show debian-cloud", "its release, where it is from, how it boots"]],
  handler: async ({ args: [ref = ""] }, context) => (await context.connect()).kernels.get(ref),
  render: renderKernel,
});

function renderKernel(kernel: KernelDetails, { style, now }: View): string {
  return fields([
    ["name", style.bold(kernel.name)],
    ["release", kernel.release],
    ["digest", kernel.digest],
    ["source", kernel.source],
    ["package", kernel.package],
    ["size", kernel.size_bytes === null ? null : formatSize(kernel.size_bytes)],
    ["age", since(kernel.created_at, now)],
    ["modules", kernel.modules ? `${kernel.boot_modules.join(" ")} before init` : "none: all built in"],
    ["config", kernel.config],
    ["qemu", kernel.direct_boot ? "boots it unpacked" : "boots it as it came"],
    ["firecracker", kernel.firecracker ?? "boots it unpacked"],
    ["used by", kernel.used_by.join(", ") || null],
  ]);
}
