import { formatDuration, formatSize, MIB } from "../../core/units.ts";
import type { Snapshot } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { fields } from "../terminal/table.ts";
import { since, type View } from "../terminal/view.ts";
import { driver } from "./vm-snapshot-list.ts";

export default define({
  name: "vm snapshot show",
  summary: "everything known about one snapshot",
  arguments: "<snapshot>",
  options: { json },
  examples: [["banger vm snapshot show ready", "what it is of, what it needs, what it takes"]],
  handler: async ({ args: [ref = ""] }, context) => (await context.connect()).snapshots.get(ref),
  render: renderSnapshot,
});

/** One snapshot for people. */
export function renderSnapshot(one: Snapshot, { style, now }: View): string {
  return fields([
    ["name", style.bold(one.name)],
    ["id", one.id],
    ["kind", one.kind === "memory" ? "memory and disk" : "disk"],
    ["of", `${one.vm.name}  ${style.dim(one.vm.id)}`],
    ["parent", one.parent],
    ["age", since(one.created_at, now)],
    ["size", `${formatSize(one.size_bytes)} on this host`],
    ["image", `${one.image.name}  ${style.dim(one.image.digest)}`],
    ["kernel", `${one.kernel.name} ${one.kernel.release}  ${style.dim(one.kernel.digest)}`],
    ["driver", driver(one)],
    ["processor", one.processor],
    ["vcpu", one.vcpu],
    ["memory", formatSize(one.memory_mib * MIB)],
    ["disk", formatSize(one.disk_bytes)],
    ["network", one.nat ? "nat" : "none"],
    ["nested", one.nested ? "yes" : null],
    ["stood still", one.kind === "memory" ? formatDuration(one.stood_still_ms) : null],
    ["created", one.created_at],
    ...one.files.map((file): [string, string] => [
      "file",
      `${file.name} ${formatSize(file.size)}  ${style.dim(file.digest)}`,
    ]),
  ]);
}
