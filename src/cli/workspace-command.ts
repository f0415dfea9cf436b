/** How commands run in a VM that has a workspace: in its folder, in a login environment, with mise's tools when the guest has mise. */
import type { Sandbox, Vm } from "../sdk/index.ts";
import type { CommandRequest } from "./attach.ts";
import type { Context } from "./context.ts";
import { againOptions } from "./options/workspace.ts";

type Workspace = NonNullable<Vm["workspace"]>;

/** Where mise's own installer puts it is on no login shell's path. */
export const MISE_PATH = 'PATH="$HOME/.local/bin:$PATH"';

/**
 * Without arguments a shell. mise installs nothing on the way: that is the bootstrap's job, and would change what a command
 * prints and how long it takes. Its shims stand last on the path, so that a shell finds what is installed while it is open.
 */
const ENTER = [
  `[ $# -gt 0 ] || set -- "\${SHELL:-/bin/sh}"`,
  MISE_PATH,
  "export PATH MISE_EXEC_AUTO_INSTALL=false MISE_NOT_FOUND_AUTO_INSTALL=false",
  'if command -v mise >/dev/null 2>&1; then PATH="$PATH:$HOME/.local/share/mise/shims"; exec mise exec -- "$@"; fi',
  'exec "$@"',
].join("\n");

/** The command for the guest, and what is to be said with it. */
export function inWorkspace(
  command: readonly string[] | undefined,
  request: CommandRequest,
  workspace: Workspace | null,
): { readonly command: readonly string[] | undefined; readonly request: CommandRequest } {
  // Another user of the guest cannot look into root's home, where the workspace is.
  if (!workspace || (request.user !== undefined && request.user !== "root")) return { command, request };
  const env = { MISE_TRUSTED_CONFIG_PATHS: workspace.guest_path, ...request.env };
  return {
    command: ["/bin/sh", "-lc", ENTER, "sh", ...(command ?? [])],
    request: { ...request, env, cwd: request.cwd ?? workspace.guest_path },
  };
}

/** Tells when the host's repository has moved on since the guest got it, or brings the guest up to date first. */
export async function followHost(vm: Sandbox, context: Context, autoPrepare: boolean): Promise<void> {
  const { workspace } = vm.info;
  if (!workspace) return;
  if (autoPrepare) {
    await vm.workspace.prepare(workspace.root, againOptions(workspace));
    return;
  }
  const { readHead } = await import("../git/repository.ts");
  const head = await readHead({ cwd: workspace.root }).catch(() => null);
  if (!head || head.commit === workspace.host_head) return;
  const short = (id: string | null) => id?.slice(0, 12) ?? "no commit";
  context.note(
    `${context.style.yellow("note:")} HEAD of ${workspace.root} moved (${short(workspace.host_head)} to ${short(head.commit)}) ` +
      `since ${vm.name} got it; banger vm workspace prepare ${vm.name}, or --auto-prepare, brings it up to date`,
  );
}
