import type { Row } from "../../doctor/row.ts";
import { resolvePaths } from "../../host/paths.ts";
import { define, flag, json } from "../command.ts";
import { installMissing } from "../host-packages.ts";
import type { Style } from "../terminal/view.ts";

const NAME_WIDTH = 16;

export default define({
  name: "doctor",
  summary: "whether this machine has what banger needs",
  options: {
    fix: flag("--fix", "install what is missing, after asking"),
    yes: flag("-y, --yes", "do not ask"),
    json,
  },
  examples: [
    ["banger doctor", "read-only; code 1 when something is missing that banger cannot do without"],
    ["banger doctor --fix", "shows the package manager's commands, asks, and runs them"],
  ],
  handler: async ({ options }, context): Promise<readonly Row[]> => {
    const { diagnose } = await import("../../doctor/diagnose.ts");
    const paths = resolvePaths(context.env);
    const rows = await diagnose(paths);
    const lacking = rows.some((row) => row.check === "host tools" && row.state !== "pass");
    if (!options.fix || !lacking) return rows;
    return (await installMissing(context, options.yes)) ? diagnose(paths) : rows;
  },
  render: (rows, { style }) => rows.map((row) => renderRow(row, style)).join(""),
  exitCode: (rows) => (rows.some((row) => row.state === "fail") ? 1 : 0),
});

function renderRow({ check, state, detail, fix }: Row, style: Style): string {
  const mark = { pass: style.green("PASS"), warn: style.yellow("WARN"), fail: style.red("FAIL") }[state];
  const line = `${mark}  ${check.padEnd(NAME_WIDTH)} ${detail}\n`;
  return fix ? `${line}${" ".repeat(6 + NAME_WIDTH + 1)}${style.dim(fix)}\n` : line;
}
