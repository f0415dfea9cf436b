import { define } from "../command.ts";
import { all, pruneOptions, renderPruned } from "../pruned.ts";

export default define({
  name: "image prune",
  summary: "remove images that no VM uses",
  options: { all, ...pruneOptions },
  examples: [
    ["banger image prune", "older ones of a name; the newest stays for the next VM"],
    ["banger image prune --all --dry-run", "what would go if only those of VMs stayed"],
  ],
  handler: async ({ options }, context) => (await context.connect()).cleaning.prune("image", options),
  render: renderPruned,
});
