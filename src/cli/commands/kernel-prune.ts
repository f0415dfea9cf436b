import { define } from "../command.ts";
import { all, pruneOptions, renderPruned } from "../pruned.ts";

export default define({
  name: "kernel prune",
  summary: "remove kernels that no VM uses",
  options: { all, ...pruneOptions },
  examples: [
    ["banger kernel prune", "older ones of a name; the newest stays for the next VM"],
    ["banger kernel prune --all --dry-run", "what would go if only those of VMs stayed"],
  ],
  handler: async ({ options }, context) => (await context.connect()).cleaning.prune("kernel", options),
  render: renderPruned,
});
