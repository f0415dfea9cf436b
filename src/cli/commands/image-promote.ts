import { define, json, quiet } from "../command.ts";
import { renderPulled } from "../pull.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "image promote",
  summary: "copy a registered image into the store",
  arguments: "<image>",
  options: { quiet, json },
  examples: [
    ["banger image promote team/base:dev", "its file is not needed any more; VMs of it stay as they are"],
  ],
  handler: async ({ args: [ref = ""], options }, context) => {
    const { images } = await context.connect();
    const { file } = await images.get(ref);
    const entry = await withProgress(context, options.quiet, (following) => images.promote(ref, following));
    return { entry, obtained: file !== null };
  },
  render: renderPulled,
  json: ({ entry }) => entry,
});
