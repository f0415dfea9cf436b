/** Every route of the daemon, as data: the daemon registers handlers by name, OpenAPI is generated from it. */
import { catalogsRoutes } from "./routes/catalogs.ts";
import { cleaningRoutes } from "./routes/cleaning.ts";
import { daemonRoutes } from "./routes/daemon.ts";
import { filesRoutes } from "./routes/files.ts";
import { imagesRoutes } from "./routes/images.ts";
import { kernelsRoutes } from "./routes/kernels.ts";
import { operationsRoutes } from "./routes/operations.ts";
import { portsRoutes } from "./routes/ports.ts";
import { processesRoutes } from "./routes/processes.ts";
import { snapshotsRoutes } from "./routes/snapshots.ts";
import { storesRoutes } from "./routes/stores.ts";
import { vmsRoutes } from "./routes/vms.ts";
import { workspacesRoutes } from "./routes/workspaces.ts";

export type { Route } from "./routes/route.ts";

export const ROUTES = {
  ...daemonRoutes,
  ...vmsRoutes,
  ...processesRoutes,
  ...filesRoutes,
  ...portsRoutes,
  ...operationsRoutes,
  ...storesRoutes,
  ...workspacesRoutes,
  ...imagesRoutes,
  ...kernelsRoutes,
  ...cleaningRoutes,
  ...catalogsRoutes,
  ...snapshotsRoutes,
} as const;

export type RouteName = keyof typeof ROUTES;
