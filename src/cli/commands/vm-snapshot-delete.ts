import { asBangerError } from "../../core/errors.ts";
import { define } from "../command.ts";
import { problem } from "../terminal/problem.ts";

export default define({
  name: "vm snapshot delete",
  summary: "delete snapshots; VMs that were made of them stay",
  arguments: "<snapshot...>",
  options: {},
  examples: [["banger vm snapshot delete ready old", "there is no way back"]],
  handler: async ({ args }, context) => {
    const { snapshots } = await context.connect();
    const wanted = [...new Set(args)];
    const results = await Promise.allSettled(wanted.map((ref) => snapshots.delete(ref)));
    for (const result of results)
      if (result.status === "rejected")
        context.stderr.write(problem(asBangerError(result.reason), context.style));
    return wanted.map((ref, at) => ({ ref, ok: results[at]?.status === "fulfilled" }));
  },
  render: (all) =>
    all
      .filter(({ ok }) => ok)
      .map(({ ref }) => `${ref} deleted\n`)
      .join(""),
  exitCode: (all) => (all.every(({ ok }) => ok) ? 0 : 1),
});
