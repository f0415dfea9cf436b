import type { Row } from "../../doctor/row.ts";
import { resolvePaths } from "../../host/paths.ts";
import { define, flag, json } from "../command.ts";
import type { Context } from "../context.ts";
import { checkDaemon } from "../daemon-row.ts";
import { installMissing } from "../host-packages.ts";
import type { Style } from "../terminal/view.ts";

const NAME_WIDTH = 16;

export default define({
  name: "doctor",
  summary: "whether this machine has what banger needs",
  options: {
    fix: flag("--fix", "close banger's folders to others; install what is missing, after asking"),
    yes: flag("-y, --yes", "do not ask"),
    json,
  },
  examples: [
    ["banger doctor", "read-only; code 1 when something is missing that banger cannot do without"],
    [
      "banger doctor --fix",
      "puts the folders right; shows the package manager's commands, asks, and runs them",
    ],
    ["banger doctor --json", "rows of name, state (pass, warn, fail), detail, fix"],
  ],
  handler: async ({ options }, context): Promise<readonly Row[]> => {
    if (options.fix) await fixFolders(context);
    const rows = await examine(context);
    if (!options.fix) return rows;
    if (rows.every((row) => row.name !== "host tools" || row.state === "pass")) {
      context.note("no package is missing");
      return rows;
    }
    return (await installMissing(context, options.yes)) ? examine(context) : rows;
  },
  render: (rows, { style }) => rows.map((row) => renderRow(row, style)).join(""),
  exitCode: (rows) => (rows.some((row) => row.state === "fail") ? 1 : 0),
});

async function fixFolders(context: Context): Promise<void> {
  const { closeFolders } = await import("../../doctor/state.ts");
  for (const path of await closeFolders(resolvePaths(context.env))) context.note(`chmod 700 ${path}`);
}

async function examine(context: Context): Promise<readonly Row[]> {
  const { diagnose } = await import("../../doctor/diagnose.ts");
  const [rows, daemon] = await Promise.all([diagnose(resolvePaths(context.env)), checkDaemon()]);
  return [...rows, daemon];
}

function renderRow({ name, state, detail, fix }: Row, style: Style): string {
  const mark = { pass: style.green("PASS"), warn: style.yellow("WARN"), fail: style.red("FAIL") }[state];
  const line = `${mark}  ${name.padEnd(NAME_WIDTH)} ${detail}\n`;
  return fix ? `${line}${" ".repeat(6 + NAME_WIDTH + 1)}${style.dim(fix)}\n` : line;
}
