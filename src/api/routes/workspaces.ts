/** Routes of workspaces: repositories of the host in VMs. */
import * as s from "../schemas/workspaces.ts";
import { type Route, starts } from "./route.ts";

export const workspacesRoutes = {
  prepareWorkspace: {
    method: "POST",
    path: "/v1/vms/{vm}/workspace",
    summary: "Bring a repository of the host into a running VM; the VM tells what came of it",
    body: s.prepareWorkspace,
    ...starts,
  },
} as const satisfies Record<string, Route>;
