import { BangerError } from "../../core/errors.ts";
import { define } from "../command.ts";
import { SCRIPTS, type Shell } from "../completion/scripts.ts";

const SHELLS = Object.keys(SCRIPTS) as Shell[];

export default define({
  name: "completion",
  summary: "a script that completes banger's commands in your shell",
  arguments: "<shell>",
  argumentChoices: SHELLS,
  options: {},
  examples: [
    ["source <(banger completion bash)", "for ~/.bashrc"],
    ["source <(banger completion zsh)", "for ~/.zshrc, after compinit"],
    ["banger completion fish >~/.config/fish/completions/banger.fish", "once"],
    ["banger completion powershell | Out-String | Invoke-Expression", "for $PROFILE"],
  ],
  details: `Shells: ${SHELLS.join(", ")}. Commands, options and their values are completed, and the names of VMs, images\nand kernels while the daemon runs; it is never started for that.`,
  handler: async ({ args: [shell = ""] }): Promise<string> => {
    const script = (SCRIPTS as Readonly<Record<string, string | undefined>>)[shell];
    if (script !== undefined) return script;
    throw BangerError.of("invalid_argument", {
      what: "completion",
      problem: `there is no script for '${shell}'`,
      accepted: `accepted: ${SHELLS.join(", ")}`,
    });
  },
  render: (script) => script,
});
