/** Routes of the life of VMs. */
import type { vmsRoutes } from "../api/routes/vms.ts";
import { stats, waitSystem } from "../guest/index.ts";
import type { VmContext } from "../vm/context.ts";
import { openLogs } from "./logs.ts";
import type { Handlers } from "./server.ts";
import type { VmService } from "./vm-service.ts";

export function vmHandlers(context: VmContext, vms: VmService): Pick<Handlers, keyof typeof vmsRoutes> {
  return {
    listVms: () => vms.list(),
    createVm: async ({ body }) => vms.create(body),
    getVm: ({ params }) => vms.get(params.vm ?? ""),
    deleteVm: async ({ params, query }) =>
      query.unless_running ? vms.deleteResting(params.vm ?? "") : vms.delete(params.vm ?? ""),
    startVm: async ({ params, body }) => vms.start(params.vm ?? "", body),
    stopVm: async ({ params, body }) => vms.stop(params.vm ?? "", body.timeout_ms),
    restartVm: async ({ params, body }) => vms.restart(params.vm ?? "", body),
    pauseVm: async ({ params }) => vms.pause(params.vm ?? ""),
    resumeVm: async ({ params }) => vms.resume(params.vm ?? ""),
    killVm: async ({ params, body }) => vms.kill(params.vm ?? "", body),
    setVm: async ({ params, body }) => vms.set(params.vm ?? "", body),
    getLogs: async ({ params, query }) => openLogs(context, vms.find(params.vm ?? "").id, query),
    getStats: async ({ params }) => {
      const ref = params.vm ?? "";
      const [guest, hostRss] = await Promise.all([vms.guest(ref).then(stats), vms.residentBytes(ref)]);
      return {
        uptime_ms: guest.uptimeMs,
        cpu_busy_ticks: guest.cpuBusyTicks,
        cpu_total_ticks: guest.cpuTotalTicks,
        load1: guest.load1Milli / 1000,
        processes: guest.processes,
        memory_total_bytes: guest.memTotal,
        memory_available_bytes: guest.memAvailable,
        host_rss_bytes: hostRss,
        disk_total_bytes: guest.diskTotal,
        disk_used_bytes: guest.diskUsed,
        disk_read_bytes: guest.diskRead,
        disk_written_bytes: guest.diskWritten,
        net_rx_bytes: guest.netRx,
        net_tx_bytes: guest.netTx,
      };
    },
    waitSystem: async ({ params }) => ({ state: await waitSystem(await vms.guest(params.vm ?? "")) }),
  };
}
