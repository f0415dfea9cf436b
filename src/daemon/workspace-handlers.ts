/** Routes of workspaces. */
import type { Handlers } from "./server.ts";
import type { VmService } from "./vm-service.ts";
import type { WorkspaceService } from "./workspace-service.ts";

export function workspaceHandlers(
  vms: VmService,
  workspaces: WorkspaceService,
): Pick<Handlers, "prepareWorkspace" | "exportWorkspace" | "getPatch"> {
  return {
    prepareWorkspace: async ({ params, body }) => {
      const ref = params.vm ?? "";
      return workspaces.startPrepare(vms.find(ref), await vms.guest(ref), body);
    },
    exportWorkspace: async ({ params, body }) => {
      const vm = vms.find(params.vm ?? "");
      workspaces.find(vm);
      return workspaces.startExport(vm, await vms.guest(vm.id), body);
    },
    getPatch: async ({ params, query }) => workspaces.patch(vms.find(params.vm ?? ""), query.from, query.to),
  };
}
