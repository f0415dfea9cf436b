import { runCommand } from "../attach.ts";
import { define } from "../command.ts";
import { commandEnvironment } from "../options/environment.ts";
import { commandOptions } from "../options/guest-command.ts";

export default define({
  name: "vm exec",
  summary: "a shell or a command in a running VM",
  arguments: "<vm>",
  takesCommand: true,
  guestExit: true,
  options: commandOptions,
  examples: [
    ["banger vm exec box", "a shell, like ssh"],
    ["banger vm exec box -- make test", "a command; ends with the command's code"],
    ["tar c . | banger vm exec box -- tar x -C /srv", "standard input goes to the command"],
    ["banger vm exec box -t -- top", "a command that wants a terminal"],
  ],
  handler: async ({ args: [vm = ""], options, command }, context) => {
    const env = await commandEnvironment(options, context.env);
    const banger = await context.connect();
    return runCommand(context, (argv, more) => banger.exec(vm, argv, more), command, { ...options, env });
  },
  render: () => "",
  exitCode: (code) => code,
});
