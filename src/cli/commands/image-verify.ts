import { define } from "../command.ts";
import { renderVerified, verify, verifyOptions } from "../publishing.ts";

export default define({
  name: "image verify",
  summary: "check that images here are what their digests say",
  arguments: "<image...>",
  options: verifyOptions,
  examples: [["banger image verify debian-slim", "reads all of it"]],
  handler: ({ args, options }, context) => verify(context, ({ images }) => images, args, options.quiet),
  render: renderVerified,
  exitCode: ({ ok }) => (ok ? 0 : 1),
});
