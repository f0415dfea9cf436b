/** Routes of snapshots. */
import type { snapshotsRoutes } from "../api/routes/snapshots.ts";
import type { Handlers } from "./server.ts";
import type { SnapshotService } from "./snapshot-service.ts";
import type { VmService } from "./vm-service.ts";

export function snapshotHandlers(
  vms: VmService,
  snapshots: SnapshotService,
): Pick<Handlers, keyof typeof snapshotsRoutes> {
  return {
    createSnapshot: async ({ params, body }) => snapshots.create(vms.find(params.vm ?? ""), body),
    listSnapshots: () => snapshots.list(),
    getSnapshot: ({ params }) => snapshots.get(params.snapshot ?? ""),
    deleteSnapshot: ({ params }) => snapshots.delete(params.snapshot ?? ""),
    restoreSnapshot: async ({ params, body }) => snapshots.restore(params.snapshot ?? "", body, vms),
    forkVm: async ({ params, body }) => snapshots.fork(vms.find(params.vm ?? ""), body),
    exportSnapshot: async ({ params, body }) => snapshots.export(params.snapshot ?? "", body.path),
    importSnapshot: async ({ body }) => snapshots.import(body),
  };
}
