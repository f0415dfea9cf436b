import { runCommand, untilLeft } from "../attach.ts";
import { define, flag } from "../command.ts";
import { commandEnvironment } from "../options/environment.ts";
import { commandOptions } from "../options/guest-command.ts";
import { followHost, inWorkspace } from "../workspace-command.ts";

export default define({
  name: "vm exec",
  summary: "a shell or a command in a running VM",
  arguments: "<vm>",
  takesCommand: true,
  guestExit: true,
  options: {
    ...commandOptions,
    autoPrepare: flag("--auto-prepare", "bring the VM's repository up to the host's state first"),
  },
  examples: [
    ["banger vm exec box", "a shell, like ssh"],
    ["banger vm exec box -- make test", "a command, in the VM's repository; ends with the command's code"],
    ["tar c . | banger vm exec box -- tar x -C /srv", "standard input goes to the command"],
    ["banger vm exec box -t -- top", "a command that wants a terminal"],
    ["banger vm exec box --detach-keys ctrl-p,ctrl-q", "a shell that can be left and come back to"],
  ],
  handler: async ({ args: [vm = ""], options, command }, context) => {
    const env = await commandEnvironment(options, context.env);
    const sandbox = await (await context.connect()).get(vm);
    await followHost(sandbox, context, options.autoPrepare);
    // A shell has a terminal when its input is one.
    const tty = options.tty || (command === undefined && context.stdin.isTTY === true);
    const run = inWorkspace(command, { ...options, env, tty }, sandbox.info.workspace);
    const exec: Parameters<typeof runCommand>[1] = (argv, more) => sandbox.exec(argv, more);
    return untilLeft(vm, context, () => runCommand(context, exec, run.command, run.request));
  },
  render: () => "",
  exitCode: (code) => code,
});
