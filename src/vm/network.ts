/** What of the network comes and goes with a VM: its way out, its published ports. */
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { configure, type GuestSession } from "../guest/index.ts";
import { networkConfiguration } from "../network/addresses.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";

/** Gives a VM that just booted what it shall have; its ports are open already. A way out that cannot be had is told, no more. */
export async function startNetwork(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm,
  work: Work,
): Promise<void> {
  endWith(context, live);
  const problem = vm.nat ? await context.nats.start(vm.id, vm.netRate) : null;
  if (problem !== null) work.report.notice(`the VM has no outbound network: ${problem}`);
}

/** Goes on with what a VM had under a former daemon. */
export async function restoreNetwork(context: VmContext, vm: VmRecord, live: LiveVm): Promise<void> {
  endWith(context, live);
  await context.ports.restore(vm.id, vm.publish);
  await (vm.nat ? context.nats.restore(vm.id, vm.netRate) : context.nats.stop(vm.id));
}

/** Turns a running VM's way out on or off, and tells its guest. @throws nat_failed */
export async function switchNat(
  context: VmContext,
  vm: VmRecord,
  session: GuestSession,
  on: boolean,
): Promise<void> {
  if (!on) await context.nats.stop(vm.id);
  const problem = on ? await context.nats.start(vm.id, vm.netRate) : null;
  if (problem !== null) {
    await context.nats.stop(vm.id);
    throw BangerError.of("nat_failed", { name: vm.name, reason: problem });
  }
  await configure(session, await networkConfiguration(on, context.config.default_dns));
}

function endWith(context: VmContext, live: LiveVm): void {
  live.onRemoved = () => {
    context.ports.close(live.id);
    context.nats
      .stop(live.id)
      .catch((error) => context.log.error({ vm: live.id, error }, "ending NAT failed"));
  };
}
