/** The handlers of every route: thin, each calls a service and shapes the answer. */
import type { DaemonStatus } from "../api/schemas.ts";
import { VERSION } from "../core/version.ts";
import { listProcesses, signalProcess } from "../guest/index.ts";
import type { VmContext } from "../vm/context.ts";
import { catalogHandlers } from "./catalog-handlers.ts";
import { cleaningHandlers } from "./cleaning-handlers.ts";
import { serveExec } from "./exec-socket.ts";
import { fileHandlers } from "./file-handlers.ts";
import { imageHandlers } from "./image-handlers.ts";
import { kernelHandlers } from "./kernel-handlers.ts";
import type { Leases } from "./leases.ts";
import type { Operations } from "./operations.ts";
import { portHandlers } from "./port-handlers.ts";
import type { Handlers } from "./server.ts";
import { openEventSink } from "./server-sent-events.ts";
import { snapshotHandlers } from "./snapshot-handlers.ts";
import type { SnapshotService } from "./snapshot-service.ts";
import { type Stores, storeHandlers } from "./store-handlers.ts";
import { vmHandlers } from "./vm-handlers.ts";
import type { VmService } from "./vm-service.ts";
import { workspaceHandlers } from "./workspace-handlers.ts";
import type { WorkspaceService } from "./workspace-service.ts";

export interface Services {
  readonly context: VmContext & Stores;
  readonly vms: VmService;
  readonly workspaces: WorkspaceService;
  readonly snapshots: SnapshotService;
  readonly operations: Operations;
  readonly leases: Leases;
  /** Puts everything away; the process may end then. */
  readonly putAway: (why: string) => Promise<void>;
}

export function makeHandlers(services: Services): Handlers {
  const { context, vms, operations, leases } = services;
  return {
    ...vmHandlers(context, vms),
    ...fileHandlers(vms),
    ...portHandlers(context, vms),
    ...storeHandlers(context, operations),
    ...workspaceHandlers(vms, services.workspaces),
    ...imageHandlers(context, operations),
    ...kernelHandlers(context, operations),
    ...cleaningHandlers(context),
    ...catalogHandlers(context, operations),
    ...snapshotHandlers(vms, services.snapshots),

    getStatus: () => daemonStatus(context),
    // The answer is the last thing sent, and the connection closes with the process: the client then knows that it is gone.
    shutdown: async ({ reply }) => {
      await services.putAway("shutdown request");
      reply.raw.once("finish", () => process.exit(0));
    },
    openLease: async ({ reply }) => {
      const sink = openEventSink(reply);
      const lease = leases.open();
      sink.closed.addEventListener("abort", () => void leases.close(lease));
      sink.send({ lease });
    },

    exec: (socket, params) =>
      serveExec(
        socket,
        () => vms.guest(params.vm ?? ""),
        () => vms.runSettings(params.vm ?? ""),
      ),
    listProcesses: async ({ params }) => {
      const processes = await listProcesses(await vms.guest(params.vm ?? ""));
      return processes.map((p) => ({
        proc: p.proc,
        pid: p.pid,
        argv: [...p.argv],
        user: p.user,
        label: p.label,
        pty: p.pty,
        running: p.running,
        attached: p.attached,
        code: p.code,
        signal: p.signal,
        started_at: new Date(Number(p.startedNs / 1_000_000n)).toISOString(),
      }));
    },
    signalProcess: async ({ params, body }) => {
      await signalProcess(await vms.guest(params.vm ?? ""), Number(params.proc), body.signal);
    },

    listOperations: async () => operations.list(),
    getOperation: async ({ params }) => operations.get(params.operation ?? ""),
    followOperation: async ({ params, reply }) => {
      const id = params.operation ?? "";
      operations.get(id); // an unknown one is a plain error reply
      const sink = openEventSink(reply);
      const stop = operations.follow(id, (event) => {
        sink.send(event);
        if (event.type === "end") sink.end();
      });
      sink.closed.addEventListener("abort", stop);
    },
    cancelOperation: ({ params }) => operations.cancel(params.operation ?? ""),
  };
}

async function daemonStatus(context: VmContext): Promise<DaemonStatus> {
  const vms = context.vms.list();
  const driver = await context.drivers.select(context.config.driver).then(
    ({ driver, status }) => ({ name: driver.name, usable: true, detail: `${status.version}, ${status.why}` }),
    (error: Error) => ({ name: context.config.driver, usable: false, detail: error.message }),
  );
  return {
    version: VERSION,
    api: 1,
    pid: process.pid,
    uptime_ms: Math.round(process.uptime() * 1000),
    node: process.version,
    rss_bytes: process.memoryUsage.rss(),
    state_directory: context.paths.state,
    vms: { total: vms.length, running: vms.filter((vm) => vm.state === "running").length },
    standby: context.standby.present,
    driver,
  };
}
