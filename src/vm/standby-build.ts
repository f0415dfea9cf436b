/** Brings up a machine that is to stand by: from a template, like a VM that starts warm, but for nobody yet. */
import { mkdir, rm } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { checkpoint } from "../core/checkpoints.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import { sync } from "../guest/index.ts";
import { vmDirectory } from "../host/paths.ts";
import type { LaunchSpec } from "../vmm/driver.ts";
import { greet } from "./bring-up.ts";
import type { VmContext } from "./context.ts";
import { newVmId } from "./create.ts";
import { LiveVm } from "./live-vm.ts";
import type { StandbyMachine } from "./standby.ts";
import { stateDiskFile } from "./state-disk-file.ts";
import { rehearseStart, type WarmRequest } from "./warm-build.ts";
import type { WarmTemplate } from "./warm-templates.ts";

/** Longer than any restored guest takes that does not hang. */
const LIMIT_MS = 60_000;
/** Not the template's: systemd and journald notice the change, as they will that to the VM's own, and it is translated then. */
const NAME = "standby";
/** What the guest does after the last thing that happened, like journald 0.25 s later: it would go on with it beside the VM's first command. */
const QUIET_MS = 300;

/** No monitor and no folder is left when it fails. @throws whatever went wrong */
export async function buildStandby(
  context: Pick<VmContext, "paths" | "consoleOf" | "forgetConsole">,
  { key, name, kind, driver, spec: wanted, publicKey }: WarmRequest,
  template: WarmTemplate,
  stop: AbortSignal,
): Promise<StandbyMachine> {
  const signal = AbortSignal.any([stop, AbortSignal.timeout(LIMIT_MS)]);
  const id = newVmId();
  const directory = vmDirectory(context.paths, id);
  const disk = stateDiskFile(directory);
  const disks = { ...wanted.disks, state: disk };
  // Limits of speed are a VM's own: one that has some does not take a machine over.
  const spec: LaunchSpec = { ...wanted, id, directory, disks, diskRate: null, netRate: null };
  let live: LiveVm | undefined;
  const abandon = () => void live?.kill(); // what waits for its guest then ends, too
  signal.addEventListener("abort", abandon, { once: true });
  try {
    await mkdir(directory, { mode: 0o700 });
    await cloneStateDisk(template.disk, disk, signal);
    live = new LiveVm(
      id,
      await driver.restore(spec, { folder: template.state }, signal),
      context.consoleOf(id),
    );
    checkpoint("standby.launched");
    const session = await greet(live, signal, true);
    const own = await rehearseStart(session, { publicKey, gitConfig: null }, NAME);
    await sync(session);
    await setTimeout(QUIET_MS, undefined, { signal });
    await live.machine.pause();
    signal.throwIfAborted();
    checkpoint("standby.ready");
    return { id, kind, key, name, borrowed: !own, live };
  } catch (error) {
    await live?.kill();
    context.forgetConsole(id);
    await rm(directory, { recursive: true, force: true });
    throw error;
  } finally {
    signal.removeEventListener("abort", abandon);
  }
}
