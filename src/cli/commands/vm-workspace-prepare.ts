import { count, formatSize } from "../../core/units.ts";
import type { WorkspaceInfo } from "../../sdk/index.ts";
import { define, flag, json, quiet, text } from "../command.ts";
import { againOptions, prepareOptions, refuseWorkspace, workspaceOptions } from "../options/workspace.ts";
import { withProgress } from "../terminal/progress.ts";

export default define({
  name: "vm workspace prepare",
  summary: "bring a git repository of this host into a running VM, or bring it up to date there",
  arguments: "<vm> [path]",
  options: {
    ...workspaceOptions,
    guestPath: text("--guest-path <path>", "where in the guest (default /root/repo)"),
    force: flag("--force", "overwrite what was changed in the guest"),
    quiet,
    json,
  },
  examples: [
    ["banger vm workspace prepare box", "the repository of this folder, or again the one that box has"],
    ["banger vm workspace prepare box ~/src/app --guest-path /srv/app", "another one, elsewhere"],
  ],
  handler: async ({ args: [ref = "", given], options }, context): Promise<WorkspaceInfo> => {
    refuseWorkspace("vm workspace prepare", options, given ?? ".");
    const sandbox = await (await context.connect()).get(ref);
    const { workspace } = sandbox.info;
    // Without a path it is the same again, in the same way.
    const again = given === undefined && workspace ? againOptions(workspace) : {};
    const path = given ?? workspace?.root ?? ".";
    const guestPath = options.guestPath ?? workspace?.guest_path;
    const asked = {
      ...again,
      ...prepareOptions(options),
      force: options.force,
      ...(guestPath && { guestPath }),
    };
    return withProgress(context, options.quiet, (following) =>
      sandbox.workspace.prepare(path, { ...asked, ...following }),
    );
  },
  render: (workspace) =>
    `${workspace.guest_path}: ${workspace.branch ?? "detached"} at ${workspace.head?.slice(0, 12) ?? "no commit"}, ` +
    `${count(workspace.files, "file")} moved, ${formatSize(workspace.bytes)}\n`,
});
