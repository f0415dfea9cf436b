/** What VMs use, as rates and shares: made of two samples of their counters. */
import { formatDuration, formatSize } from "../core/units.ts";
import type { Vm, VmStats } from "../sdk/index.ts";
import { table } from "./terminal/table.ts";

export interface Figures {
  readonly vm: string;
  readonly id: string;
  readonly uptime_ms: number;
  /** Share of all its processors' time since the sample before: 100 = all were busy. */
  readonly cpu_percent: number;
  readonly load1: number;
  readonly processes: number;
  /** As the guest sees it. */
  readonly memory_used_bytes: number;
  readonly memory_total_bytes: number;
  /** What the monitor takes of the host's memory. */
  readonly host_rss_bytes: number;
  readonly disk_used_bytes: number;
  readonly disk_total_bytes: number;
  /** Since the VM's start, as all counters below. */
  readonly disk_read_bytes: number;
  readonly disk_written_bytes: number;
  readonly net_rx_bytes: number;
  readonly net_tx_bytes: number;
}

/** Pure. @param before an earlier sample of the same boot; undefined: the share since the boot */
export function figuresOf(vm: Pick<Vm, "name" | "id">, now: VmStats, before: VmStats | undefined): Figures {
  const base = before && before.cpu_total_ticks <= now.cpu_total_ticks ? before : undefined; // else it was restarted
  const total = now.cpu_total_ticks - (base?.cpu_total_ticks ?? 0);
  const busy = now.cpu_busy_ticks - (base?.cpu_busy_ticks ?? 0);
  const share = total > 0 ? Math.min(1, Math.max(0, busy / total)) : 0;
  return {
    vm: vm.name,
    id: vm.id,
    uptime_ms: now.uptime_ms,
    cpu_percent: Math.round(share * 1000) / 10,
    load1: now.load1,
    processes: now.processes,
    memory_used_bytes: Math.max(0, now.memory_total_bytes - now.memory_available_bytes),
    memory_total_bytes: now.memory_total_bytes,
    host_rss_bytes: now.host_rss_bytes,
    disk_used_bytes: now.disk_used_bytes,
    disk_total_bytes: now.disk_total_bytes,
    disk_read_bytes: now.disk_read_bytes,
    disk_written_bytes: now.disk_written_bytes,
    net_rx_bytes: now.net_rx_bytes,
    net_tx_bytes: now.net_tx_bytes,
  };
}

/** One row per VM. Pure. */
export function figuresTable(all: readonly Figures[]): string {
  return table(
    ["NAME", "CPU", "MEM", "HOST MEM", "DISK", "READ/WRITTEN", "NET IN/OUT", "PROCS", "UPTIME"],
    all.map((one) => [
      one.vm,
      `${one.cpu_percent.toFixed(1)}%`,
      pair(one.memory_used_bytes, one.memory_total_bytes),
      formatSize(one.host_rss_bytes),
      pair(one.disk_used_bytes, one.disk_total_bytes),
      pair(one.disk_read_bytes, one.disk_written_bytes),
      pair(one.net_rx_bytes, one.net_tx_bytes),
      String(one.processes),
      formatDuration(one.uptime_ms),
    ]),
  );
}

const pair = (a: number, b: number) => `${formatSize(a)}/${formatSize(b)}`;
