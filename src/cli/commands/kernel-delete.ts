import { define, json } from "../command.ts";
import { renderPruned } from "../pruned.ts";

export default define({
  name: "kernel delete",
  summary: "remove one kernel",
  arguments: "<kernel>",
  options: { json },
  examples: [["banger kernel delete debian-cloud", "by name or digest; refused while a VM uses it"]],
  handler: async ({ args: [ref = ""] }, context) => (await context.connect()).cleaning.deleteKernel(ref),
  render: renderPruned,
});
