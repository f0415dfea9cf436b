import { BangerError } from "../../core/errors.ts";
import { define } from "../command.ts";
import { complete } from "../completion/candidates.ts";
import { askDaemon } from "../completion/names.ts";

export default define({
  name: "__complete",
  summary: "what the last word could become; the scripts of 'banger completion' ask it",
  takesCommand: true,
  options: {},
  examples: [["banger __complete -- vm start =b", "the word that is being typed comes last, after a ="]],
  details:
    "One candidate per line, a tab, a few words about it. The last line is :none, :files or :folders: what the shell\nitself is to complete. Asks a running daemon for names, never starts one.",
  handler: async ({ command = [] }, context) => {
    const [last, ...before] = command.toReversed();
    if (!last?.startsWith("=")) {
      throw BangerError.of("invalid_argument", {
        what: "__complete",
        problem: "the last word does not begin with =",
        accepted: "banger completion prints scripts that call this rightly",
      });
    }
    return complete(
      before.toReversed(),
      last.slice(1),
      askDaemon(() => context.connect({ autostart: false })),
    );
  },
  render: ({ candidates, paths }) =>
    `${candidates.map(({ value, about }) => `${value}\t${about}\n`).join("")}:${paths}\n`,
});
