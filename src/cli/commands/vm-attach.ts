import { BangerError, exitCode, type GuestProcess } from "../../sdk/index.ts";
import { attach, untilLeft } from "../attach.ts";
import { define, parsed } from "../command.ts";
import { parseDetachKeys } from "../terminal/detach-keys.ts";
import { terminalSize } from "../terminal/lend.ts";

const DEFAULT_KEYS = "ctrl-p,ctrl-q";

export default define({
  name: "vm attach",
  summary: "come back to a command that was left with --detach-keys",
  arguments: "<vm> [process]",
  guestExit: true,
  options: {
    detachKeys: parsed("--detach-keys <keys>", `keys that leave it again (${DEFAULT_KEYS})`, parseDetachKeys),
  },
  examples: [
    ["banger vm attach box", "back to what 'banger vm exec box --detach-keys …' left; ends with its code"],
    ["banger vm attach box 12", "one of several, by its number"],
  ],
  details:
    "Shows the last 256 KiB of its output first. Without a process' number there must be one command that nobody is\nattached to; the number was told when it was left.",
  handler: async ({ args: [ref = "", wanted], options }, context): Promise<number> => {
    const vm = await (await context.connect()).get(ref);
    const process = choose(await vm.processes(), wanted);
    const execution = vm.attach(process.proc, { onDisconnect: "keep" });
    const { rows, cols } = terminalSize(context);
    if (process.pty) execution.resize(rows, cols);
    const detachKeys = options.detachKeys ?? parseDetachKeys(DEFAULT_KEYS);
    return untilLeft(ref, context, async () =>
      exitCode(await attach(context, execution, { tty: process.pty, stdin: true, detachKeys })),
    );
  },
  render: () => "",
  exitCode: (code) => code,
});

/** The process that is meant. Pure. @throws invalid_argument */
export function choose(all: readonly GuestProcess[], wanted: string | undefined): GuestProcess {
  const open = all.filter(({ running, attached }) => running && !attached);
  const fitting = wanted === undefined ? open : all.filter(({ proc }) => String(proc) === wanted);
  const [only, second] = fitting;
  if (only && !second) return only;
  const names = open.map(({ proc, argv }) => `${proc} (${argv.join(" ").slice(0, 60)})`).join(", ");
  throw BangerError.of("invalid_argument", {
    what: "vm attach",
    problem:
      wanted === undefined
        ? second
          ? "several commands run that nobody is attached to"
          : "no command runs that was left"
        : `there is no process ${wanted}`,
    accepted: names ? `name one: ${names}` : "banger vm exec VM --detach-keys ctrl-p,ctrl-q starts one",
  });
}
