import { define } from "../command.ts";
import { renderVerified, verify, verifyOptions } from "../publishing.ts";

export default define({
  name: "kernel verify",
  summary: "check that kernels here are what their digests say",
  arguments: "<kernel...>",
  options: verifyOptions,
  examples: [["banger kernel verify debian-cloud", "reads all of it"]],
  handler: ({ args, options }, context) => verify(context, ({ kernels }) => kernels, args, options.quiet),
  render: renderVerified,
  exitCode: ({ ok }) => (ok ? 0 : 1),
});
