import { detachNote, runCommand } from "../attach.ts";
import { define, parsed } from "../command.ts";
import { Detached } from "../exit.ts";
import { commandEnvironment } from "../options/environment.ts";
import { commandOptions } from "../options/guest-command.ts";
import { parseDetachKeys } from "../terminal/detach-keys.ts";

export default define({
  name: "vm exec",
  summary: "a shell or a command in a running VM",
  arguments: "<vm>",
  takesCommand: true,
  guestExit: true,
  options: {
    ...commandOptions,
    detachKeys: parsed(
      "--detach-keys <keys>",
      "let it outlive this client, and leave it with these keys (ctrl-p,ctrl-q); vm attach comes back",
      parseDetachKeys,
    ),
  },
  examples: [
    ["banger vm exec box", "a shell, like ssh"],
    ["banger vm exec box -- make test", "a command; ends with the command's code"],
    ["tar c . | banger vm exec box -- tar x -C /srv", "standard input goes to the command"],
    ["banger vm exec box -t -- top", "a command that wants a terminal"],
    ["banger vm exec box --detach-keys ctrl-p,ctrl-q", "a shell that can be left and come back to"],
  ],
  handler: async ({ args: [vm = ""], options, command }, context) => {
    const env = await commandEnvironment(options, context.env);
    const banger = await context.connect();
    const exec: Parameters<typeof runCommand>[1] = (argv, more) => banger.exec(vm, argv, more);
    return runCommand(context, exec, command, { ...options, env }).catch((error) => {
      if (!(error instanceof Detached)) throw error;
      context.note(detachNote(vm, error));
      return 0;
    });
  },
  render: () => "",
  exitCode: (code) => code,
});
