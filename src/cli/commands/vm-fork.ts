import { checkName } from "../../core/ids.ts";
import { BangerError, type Vm } from "../../sdk/index.ts";
import { define, json, parsed, quiet } from "../command.ts";
import { wait } from "../options/machine.ts";
import { withProgress } from "../terminal/progress.ts";

/** What the contract accepts; a test keeps them equal. */
export const MAX_COPIES = 32;

export default define({
  name: "vm fork",
  summary: "make copies of a running VM, which goes on",
  arguments: "<vm>",
  options: {
    count: parsed("-n, --count <n>", `how many copies: 1 to ${MAX_COPIES}; 1 unless given`, parseCount),
    name: parsed(
      "--name <name>",
      "of the copy, of several NAME-1, NAME-2 …; the VM's own name, numbered, unless given",
      checkName,
    ),
    wait,
    quiet,
    json,
  },
  details: `The VM stands still for a moment, however many copies are made: all of them or none. Each is a machine of its own before
its first command: name, machine id, ssh host keys, random numbers, clock and network are new. What runs in it goes on in each.
Copies publish no ports: those of the VM stay its own.`,
  examples: [
    ["banger vm fork box", "box-1, which goes on from where box is"],
    ["banger vm fork box -n 4 --name try", "try-1 to try-4"],
  ],
  handler: async ({ args: [ref = ""], options }, context): Promise<Vm[]> => {
    const { count, name, wait } = options;
    const vm = await (await context.connect()).get(ref);
    const copies = await withProgress(context, options.quiet, (following) =>
      vm.fork({ count, name, wait, ...following }),
    );
    return copies.map((copy) => copy.info);
  },
  render: (vms) => vms.map((vm) => `${vm.name}\n`).join(""),
});

function parseCount(value: string): number {
  const count = /^\d{1,3}$/.test(value) ? Number(value) : 0;
  if (count >= 1 && count <= MAX_COPIES) return count;
  throw BangerError.of("invalid_argument", {
    what: "--count",
    problem: `'${value}' is not accepted`,
    accepted: `accepted: a whole number from 1 to ${MAX_COPIES}`,
  });
}
