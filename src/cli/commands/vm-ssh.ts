import { followCommand } from "../attach.ts";
import { define, flag } from "../command.ts";
import { hasSshServer } from "../ssh/server.ts";

/** What ssh ends with when a signal ended the command; the same where there is no ssh server. */
const SIGNALLED = 255;

export default define({
  name: "vm ssh",
  summary: "a shell or a command in a running VM, over ssh",
  arguments: "<vm>",
  takesCommand: true,
  guestExit: true,
  options: {
    tty: flag("-t, --tty", "run the command on a terminal; a shell has one whenever its input is one"),
    newHostKey: flag("--new-host-key", "accept that the VM's host key is not the one it had before"),
  },
  examples: [
    ["banger vm ssh box", "a shell as root"],
    ["banger vm ssh box -- 'cd /srv && make test'", "a command line of the guest's shell, as with ssh"],
    ["banger vm ssh box -t -- top", "a command that wants a terminal"],
  ],
  details:
    "Where the image has an ssh server this is ssh itself, else banger's own agent does the same. Words after -- are joined\nand given to root's shell. To make plain ssh, scp, rsync and git reach VMs as\nNAME.vm: banger ssh-config --install",
  exitCodes: "the command's own; 255 when a signal ended it or ssh failed, 125 banger failed, 2 wrong usage",
  handler: async ({ args: [ref = ""], options, command }, context): Promise<number> => {
    const banger = await context.connect();
    const vm = await banger.get(ref);
    const { becomeSsh } = await import("../ssh/client.ts");
    if (await hasSshServer(vm)) await becomeSsh(context, vm, command, options);
    const request = {
      ...options,
      env: {},
      user: undefined,
      cwd: undefined,
      noStdin: false,
      timeout: undefined,
    };
    const { code, signal } = await followCommand(
      context,
      (argv, more) => vm.exec(argv, more),
      command && shellLine(command),
      request,
    );
    return signal === null ? (code ?? SIGNALLED) : SIGNALLED;
  },
  render: () => "",
  exitCode: (code) => code,
});

/** The words as sshd runs them: joined, by the user's shell. */
function shellLine(words: readonly string[]): string[] {
  return ["/bin/sh", "-c", `exec "\${SHELL:-/bin/sh}" -c "$1"`, "sh", words.join(" ")];
}
