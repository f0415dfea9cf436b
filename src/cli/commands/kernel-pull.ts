import { define } from "../command.ts";
import { newest, pull, pullOptions, renderPulled } from "../pull.ts";

export default define({
  name: "kernel pull",
  summary: "obtain a kernel",
  arguments: "<name>",
  options: pullOptions,
  examples: [["banger kernel pull debian-cloud", "before the first VM needs it"]],
  handler: ({ args: [name = ""], options }, context) =>
    pull(
      context,
      ({ kernels }) => ({ store: kernels, find: async (wanted) => newest(await kernels.list(), wanted) }),
      name,
      options,
    ),
  render: renderPulled,
  json: ({ entry }) => entry,
});
