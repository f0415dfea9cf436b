/** The program's help and each group's, made from the registry. */
import { COMMANDS, type Entry, GROUPS, SUBGROUPS } from "./registry.ts";

/** `banger --help` */
export function programHelp(): string {
  const blocks = Object.entries(GROUPS).map(([group, what]) => `${what}:\n${lines(inGroup(group))}`);
  const single = SHOWN.filter((entry) => !((entry.name.split(" ")[0] ?? "") in GROUPS));
  return `banger: a real Linux machine of its own for every developer and coding agent

  banger vm run                     a shell in a fresh VM
  banger vm run --rm -- uname -a    one command in a throw-away VM
  banger ps                         running VMs

${blocks.join("\n")}
more:
${lines(single)}
banger <command> --help tells more. Exit codes and environment: docs/cli.md
`;
}

/** `banger vm --help` */
export function groupHelp(group: string): string {
  return `banger ${group}: ${GROUPS[group] ?? SUBGROUPS[group] ?? ""}\n\n${lines(inGroup(group))}\nbanger ${group} <command> --help tells more.\n`;
}

const SHOWN = COMMANDS.filter((entry) => !entry.hidden);
const inGroup = (group: string) => SHOWN.filter((entry) => entry.name.startsWith(`${group} `));

function lines(entries: readonly Entry[]): string {
  const wide = Math.max(...COMMANDS.map((entry) => entry.name.length));
  return entries
    .map(({ name, summary, aliases }) => {
      const also = aliases ? ` (also: ${aliases.join(", ")})` : "";
      return `  ${name.padEnd(wide)}  ${summary}${also}\n`;
    })
    .join("");
}
