/** Routes of workspaces. */
import type { Handlers } from "./server.ts";
import type { VmService } from "./vm-service.ts";
import type { WorkspaceService } from "./workspace-service.ts";

export function workspaceHandlers(
  vms: VmService,
  workspaces: WorkspaceService,
): Pick<Handlers, "prepareWorkspace"> {
  return {
    prepareWorkspace: async ({ params, body }) => {
      const ref = params.vm ?? "";
      return workspaces.startPrepare(vms.find(ref), await vms.guest(ref), body);
    },
  };
}
