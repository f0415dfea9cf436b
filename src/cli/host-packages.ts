/** What banger needs of the host and the host lacks: offered for installation the moment a command meets it. */
import { BangerError } from "../core/errors.ts";
import type { Context } from "./context.ts";

/**
 * Does `work`; when it fails because host packages are missing, installs everything that is missing (after asking, unless
 * `yes` or CI=true) and does it once more.
 * @throws host_packages_missing when the user says no or cannot be asked; installation_failed
 */
export async function withHostPackages<T>(
  context: Context,
  yes: boolean,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "host_packages_missing") throw error;
    if (!(await installMissing(context, yes))) throw error;
    return await work();
  }
}

/**
 * Shows the commands that install what is missing, asks, and runs them on this terminal.
 * @returns false when nothing was installed: nothing is missing, it cannot be done here, or the user does not want it
 */
export async function installMissing(context: Context, yes: boolean): Promise<boolean> {
  const [{ missingTools }, { hostInstallPlan, runInstallPlan }] = await Promise.all([
    import("../host/tools.ts"),
    import("../host/install.ts"),
  ]);
  // The optional ones too: one question instead of two, and confinement is among them.
  const tools = (await missingTools([], { optional: true })).map((tool) => tool.name);
  const plan = await hostInstallPlan(tools);
  if (plan.commands.length === 0) {
    if (plan.hint) context.note(`${context.style.yellow("note:")} ${plan.hint}`);
    return false;
  }
  context.note(`banger needs these packages of the host: ${plan.packages.join(" ")}`);
  for (const command of plan.commands) context.note(`  ${command.join(" ")}`);
  if (!yes && context.env.CI !== "true" && !(await agreed(context))) return false;
  await runInstallPlan(plan);
  return true;
}

async function agreed(context: Context): Promise<boolean> {
  const { canAsk, confirmed } = await import("./terminal/confirm.ts");
  if (canAsk(context)) return confirmed(context, "Install them now?");
  context.note("not installed without asking: type the command again with --yes");
  return false;
}
