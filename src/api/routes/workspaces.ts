/** Routes of workspaces: repositories of the host in VMs. */
import { z } from "zod";
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

  exportWorkspace: {
    method: "POST",
    path: "/v1/vms/{vm}/workspace/export",
    summary: "Read what was done in the guest; the operation's result tells, and can be fetched as a patch",
    body: s.exportWorkspace,
    ...starts,
  },

  getPatch: {
    method: "GET",
    path: "/v1/vms/{vm}/workspace/patch",
    summary: "The patch between two trees that exports named",
    query: z.object({ from: s.objectId, to: s.objectId }),
    reply: "stream",
    status: 200,
  },
} as const satisfies Record<string, Route>;
