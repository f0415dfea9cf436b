/** The host's programs. */
import { hostInstallPlan, type InstallPlan } from "../host/install.ts";
import { locateTool, TOOLS, type Tool } from "../host/tools.ts";
import { chooseMode } from "../images/squashfs.ts";
import { usableBubblewrap } from "../vmm/jail/bubblewrap.ts";
import { fail, pass, type Row, warn } from "./row.ts";

const TOOLS_ROW = "host tools";
const BUILDS_ROW = "image builds";
const HOW = {
  root: "as root",
  unshare: "in a user namespace",
  fakechroot: "with fakechroot, because user namespaces cannot be used",
};

/** One row for all that are there, one for each that is not. */
export async function checkTools(): Promise<Row[]> {
  const uid = process.getuid?.() ?? 0;
  const wanted = TOOLS.filter((tool) => !(tool.userOnly && uid === 0));
  const located = await Promise.all(wanted.map(locateTool));
  const there = wanted.filter((_, index) => located[index] !== null).map(({ name }) => name);
  const missing = wanted.filter((_, index) => located[index] === null);
  const rows = await Promise.all(
    missing.map(async (tool) => missingRow(tool, await hostInstallPlan([tool.name]))),
  );
  if (there.length > 0) rows.unshift(pass(TOOLS_ROW, there.join(", ")));
  if (there.includes("bwrap") && !(await usableBubblewrap())) {
    rows.push(
      warn(
        "confinement",
        "bubblewrap is installed but may not make namespaces here, so monitors run unconfined",
        "allow user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1 (Debian) or kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu)",
      ),
    );
  }
  return rows;
}

/** Pure. What the lack of one tool means, and how it is had on this host. */
export function missingRow(tool: Tool, plan: InstallPlan): Row {
  const fix = plan.hint ?? `banger doctor --fix installs: ${plan.packages.join(" ")}`;
  return tool.optional
    ? warn(TOOLS_ROW, `${tool.name} is missing: ${tool.optional}`, fix)
    : fail(TOOLS_ROW, `${tool.name} is missing (needed for: ${tool.purposes.join(", ")})`, fix);
}

/** How images are built as this user; whether that matters now is told by the image's row. */
export async function checkImageBuilds(): Promise<Row> {
  const mode = await chooseMode();
  if (typeof mode !== "string")
    return warn(BUILDS_ROW, `images cannot be built by this user: ${mode.reason}`, mode.fix);
  return pass(BUILDS_ROW, HOW[mode]);
}
