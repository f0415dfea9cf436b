import { define } from "../command.ts";
import { pull, pullOptions, renderPulled } from "../pull.ts";

export default define({
  name: "image pull",
  summary: "obtain an image",
  arguments: "<name>",
  options: pullOptions,
  examples: [["banger image pull debian-slim", "before the first VM needs it"]],
  handler: ({ args: [name = ""], options }, context) =>
    pull(context, (banger) => banger.images, name, options),
  render: renderPulled,
  json: ({ entry }) => entry,
});
