import { define } from "../command.ts";
import { pruneOptions, renderPruned } from "../pruned.ts";

export default define({
  name: "cache prune",
  summary: "empty the cache; what is needed again is made again",
  options: pruneOptions,
  examples: [
    ["banger cache prune --dry-run", "what lies there"],
    ["banger cache prune", "VMs run on; the next start takes longer once"],
  ],
  handler: async ({ options }, context) => (await context.connect()).cleaning.prune("cache", options),
  render: renderPruned,
});
