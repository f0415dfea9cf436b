/** The host's programs. */
import { userNamespaces } from "../host/namespaces.ts";
import { hostPackageManager, packagesFor } from "../host/packages.ts";
import { findTool, TOOLS, type Tool } from "../host/tools.ts";
import { usableBubblewrap } from "../vmm/jail/bubblewrap.ts";
import { fail, pass, type Row, warn } from "./row.ts";

/** One row for all that are there, one for each that is not. */
export async function checkTools(): Promise<Row[]> {
  const uid = process.getuid?.() ?? 0;
  const manager = await hostPackageManager();
  const wanted = TOOLS.filter((tool) => !(tool.userOnly && uid === 0));
  const found = await Promise.all(wanted.map(async (tool) => [tool, await findTool(tool.name)] as const));
  const there = found.filter(([, path]) => path !== null).map(([tool]) => tool.name);
  const missing = found.filter(([, path]) => path === null).map(([tool]) => tool);
  const rows = missing.map((tool) => missingRow(tool, packagesFor([tool.name], manager)));
  if (there.length > 0) rows.unshift(pass("host tools", there.join(", ")));
  if (there.includes("bwrap") && !(await usableBubblewrap())) {
    rows.push(
      warn(
        "confinement",
        "bubblewrap is installed but may not make namespaces here",
        "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
      ),
    );
  }
  return rows;
}

function missingRow(tool: Tool, packages: readonly string[]): Row {
  const fix =
    packages.length > 0
      ? `banger doctor --fix installs: ${packages.join(" ")}`
      : "not packaged for this distribution";
  return tool.optional
    ? warn("host tools", `${tool.name} is missing: ${tool.optional}`, fix)
    : fail("host tools", `${tool.name} is missing (needed for: ${tool.purposes.join(", ")})`, fix);
}

/** What an ordinary user needs to build images; root needs nothing. */
export async function checkUserNamespaces(): Promise<readonly Row[]> {
  if (process.getuid?.() === 0) return [];
  const status = await userNamespaces();
  return [
    status.usable
      ? pass("user namespaces", "usable: images can be built without root")
      : warn("user namespaces", status.reason, status.fix),
  ];
}
