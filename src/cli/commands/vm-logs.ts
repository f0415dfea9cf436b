import { BangerError } from "../../core/errors.ts";
import { define, flag, parsed } from "../command.ts";
import { drain } from "../terminal/flow.ts";

export default define({
  name: "vm logs",
  summary: "a VM's serial console",
  arguments: "<vm>",
  options: {
    follow: flag("-f, --follow", "go on until the VM ends or Ctrl-C"),
    tail: parsed("-n, --tail <lines>", "only that many last lines", parseLines),
  },
  examples: [
    ["banger vm logs box", "what the guest's kernel and init printed"],
    ["banger vm logs -f --tail 20 box", "the last lines and what comes"],
  ],
  handler: async ({ args: [name = ""], options }, context) => {
    const vm = await (await context.connect()).get(name);
    const logs = await vm.logs({
      follow: options.follow,
      ...(options.tail !== undefined && { tail: options.tail }),
    });
    await drain(logs, context.stdout, "standard output");
  },
});

function parseLines(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw BangerError.of("invalid_argument", {
    what: "--tail",
    problem: `'${text}' is not a number of lines`,
    accepted: "accepted: 0 to 9999999",
  });
}
