import { parseDuration } from "../../core/units.ts";
import { define, flag, json, parsed, quiet } from "../command.ts";
import { forEachVm, outcomesCode, renderOutcomes } from "../several.ts";

/** How long the guest may take to power itself off; shared with restart. */
export const stopOptions = {
  timeout: parsed("--timeout <time>", "how long the guest may take before it is killed (30s)", (value) =>
    parseDuration(value, "--timeout"),
  ),
  force: flag("-f, --force", "do not ask the guest: like pulling the plug"),
};

/** What `vm.stop()` is to be told. */
export function stopTimeout(options: { readonly timeout: number | undefined; readonly force: boolean }): {
  readonly timeoutMs?: number;
} {
  if (options.force) return { timeoutMs: 0 };
  return options.timeout === undefined ? {} : { timeoutMs: options.timeout };
}

export default define({
  name: "vm stop",
  summary: "power VMs off in order; their disks stay",
  arguments: "<vm...>",
  options: { ...stopOptions, quiet, json },
  examples: [
    ["banger vm stop box", "the guest syncs and powers off; banger vm start box goes on with its disk"],
    ["banger vm stop one two --timeout 5s", "several at once; killed after five seconds"],
  ],
  handler: ({ args, options }, context) =>
    forEachVm(context, args, options.quiet, async (vm, following) => {
      const { state } = await vm.stop({ ...following, ...stopTimeout(options) });
      return state;
    }),
  render: renderOutcomes,
  exitCode: outcomesCode,
});
