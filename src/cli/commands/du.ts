import { formatSize } from "../../core/units.ts";
import type { Part } from "../../sdk/index.ts";
import { define, flag, json } from "../command.ts";
import { identity } from "../pruned.ts";
import { table } from "../terminal/table.ts";

interface Usage {
  readonly parts: readonly Part[];
  readonly verbose: boolean;
}

export default define({
  name: "du",
  summary: "what takes space on this host, and what of it can go",
  options: { verbose: flag("-v, --verbose", "each VM, image, kernel and cached thing"), json },
  examples: [
    ["banger du", "a line per kind, with the command that cleans it"],
    ["banger du -v", "everything, with who uses it"],
  ],
  handler: async ({ options }, context): Promise<Usage> => {
    const parts = await (await context.connect()).cleaning.parts();
    return { parts, verbose: options.verbose };
  },
  render: ({ parts, verbose }) => (verbose ? everything(parts) : summary(parts)),
  json: ({ parts }) => parts,
});

const KINDS = [
  ["vm", "VMs", "banger vm prune"],
  ["snapshot", "snapshots", "banger vm snapshot delete"],
  ["image", "images", "banger image prune --all"],
  ["kernel", "kernels", "banger kernel prune --all"],
  ["cache", "cache", "banger cache prune"],
] as const;

const sum = (parts: readonly Part[]) => parts.reduce((total, part) => total + part.size_bytes, 0);
const free = (parts: readonly Part[]) => parts.filter((part) => part.used_by.length === 0);

function summary(parts: readonly Part[]): string {
  const rows = KINDS.map(([kind, title, command]) => {
    const own = parts.filter((part) => part.kind === kind);
    const can = sum(free(own));
    return [title, String(own.length), formatSize(sum(own)), formatSize(can), can > 0 ? command : "-"];
  });
  const total = ["total", String(parts.length), formatSize(sum(parts)), formatSize(sum(free(parts))), ""];
  return table(["WHAT", "COUNT", "SIZE", "CAN GO", "WITH"], [...rows, total]);
}

function everything(parts: readonly Part[]): string {
  return table(
    ["KIND", "NAME", "WHAT", "SIZE", "USED BY"],
    parts.map((part) => [
      part.kind,
      part.name,
      identity(part),
      formatSize(part.size_bytes),
      part.used_by.join(", ") || "-",
    ]),
  );
}
