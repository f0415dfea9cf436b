import { clean } from "../../core/errors.ts";
import { formatRate } from "../../core/rate-limit.ts";
import { formatDuration, formatSize, MIB } from "../../core/units.ts";
import type { Vm } from "../../sdk/index.ts";
import { define, json } from "../command.ts";
import { portsText } from "../terminal/ports.ts";
import { fields } from "../terminal/table.ts";
import { since, until, usage, type View } from "../terminal/view.ts";
import { colourState } from "./vm-list.ts";

export default define({
  name: "vm show",
  summary: "everything known about one VM",
  arguments: "<vm>",
  options: { json },
  examples: [["banger vm show brisk-otter", "by name, id, or the beginning of an id"]],
  handler: async ({ args: [ref = ""] }, context) => (await (await context.connect()).get(ref)).info,
  render: renderVm,
});

/** One VM for people. */
export function renderVm(vm: Vm, { style, now }: View): string {
  const state = colourState(vm.state, style);
  return fields([
    ["name", style.bold(vm.name)],
    ["id", vm.id],
    ["state", vm.reason ? `${state} (${vm.reason})` : state],
    ["uptime", vm.state === "running" ? since(vm.started_at, now) : null],
    ["stops", stops(vm, now)],
    ["image", `${vm.image.name}  ${style.dim(vm.image.digest)}`],
    ["kernel", `${vm.kernel.name} ${vm.kernel.release}  ${style.dim(vm.kernel.digest)}`],
    ["made of", vm.origin && `${vm.origin.kind} ${vm.origin.name}`],
    ["driver", vm.accelerator ? `${vm.driver}/${vm.accelerator}` : vm.driver],
    ["vcpu", vm.vcpu],
    ["memory", formatSize(vm.memory_mib * MIB)],
    ["disk", `${usage(vm.disk_used_bytes, vm.disk_bytes)} used on this host`],
    ["network", network(vm)],
    ["speed", rates(vm)],
    ["ports", vm.publish.length > 0 ? portsText(vm) : null],
    ["nested", vm.nested ? "yes" : null],
    ["workspace", vm.workspace ? workspace(vm.workspace) : null],
    ["removed", vm.auto_remove ? "when the command that made it ends (--rm)" : null],
    ["created", vm.created_at],
    ["started", vm.started_at],
    ["start", vm.boot ? start(vm.start, vm.boot) : null],
    ["boot id", vm.boot_id],
    ["monitor", vm.pid === null ? null : `pid ${vm.pid}`],
  ]);
}

function network({ nat, nat_problem, ip }: Vm): string {
  if (!nat) return "none";
  if (nat_problem !== null) return `nat (not working: ${nat_problem})`;
  return ip === null ? "nat" : `nat, ${ip} in the guest (the same in every VM)`;
}

function rates({ disk_rate, net_rate }: Vm): string | null {
  const told = [
    ...(disk_rate ? [`disk ${rate({ ...disk_rate })}`] : []),
    ...(net_rate ? [`network ${rate({ ...net_rate })}`] : []),
  ];
  return told.length > 0 ? `at most ${told.join("; ")}` : null;
}

function rate({ bytes_per_second, burst_bytes, ops_per_second }: NonNullable<Vm["disk_rate"]>): string {
  return formatRate({
    bytesPerSecond: bytes_per_second,
    burstBytes: burst_bytes ?? null,
    opsPerSecond: ops_per_second ?? null,
  });
}

/** What ends it, and when, as things are now. */
function stops({ stops_at, stops_because, ttl_ms, auto_remove }: Vm, now: number): string | null {
  if (stops_at === null) return ttl_ms === null ? null : `${formatDuration(ttl_ms)} after each start (--ttl)`;
  const why =
    stops_because === "ttl" ? "its lifetime is over then (--ttl)" : "if it stays idle (auto_stop_after)";
  return `${until(stops_at, now)}: ${why}${auto_remove ? "; it is deleted" : ""}`;
}

function workspace({ root, guest_path, branch, head, prepared_at }: NonNullable<Vm["workspace"]>): string {
  const at = head ? `at ${head.slice(0, 12)}` : "without commits";
  return `${clean(root)} at ${guest_path} (${clean(branch ?? "detached")} ${at}, ${prepared_at})`;
}

/** The guest's own figures are those of its boot: another machine's, when it was not booted itself. */
function start(
  kind: Vm["start"],
  { ready_ms, init_ms, root_ms, agent_ms, attempts }: NonNullable<Vm["boot"]>,
): string {
  if (kind === "warm" || kind === "restored") return `${kind}, ready in ${formatDuration(ready_ms)}`;
  const guest = `init ${formatDuration(init_ms)}, root ${formatDuration(root_ms)}, agent ${formatDuration(agent_ms)}`;
  return `cold, ready in ${formatDuration(ready_ms)} (guest: ${guest})${attempts > 1 ? `, ${attempts} attempts` : ""}`;
}
