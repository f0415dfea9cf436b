/** Starts a VM that never ran from a template, when there is one of its kind; else says what is to be made for the next one. */
import { rename, rm } from "node:fs/promises";
import { checkpoint } from "../core/checkpoints.ts";
import type { Work } from "../core/stage.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import type { VmRecord } from "../store/vms.ts";
import type { Driver, LaunchSpec } from "../vmm/driver.ts";
import type { Selected } from "../vmm/drivers.ts";
import { type BroughtUp, endMachine, goOn } from "./bring-up.ts";
import type { VmContext } from "./context.ts";
import type { Kind, StandbyMachine } from "./standby.ts";
import type { WarmRequest } from "./warm-build.ts";
import { type WarmTemplate, warmKey } from "./warm-templates.ts";

/** How often one start tries the template. */
const ATTEMPTS = 2;

interface WarmCandidate {
  readonly vm: VmRecord;
  readonly driver: Driver;
  readonly spec: LaunchSpec;
  readonly status: Selected["status"];
  readonly publicKey: string | null;
}

/** What a VM that never ran may start from, and what to have made for the next one of its kind. */
export function wantedTemplate(candidate: WarmCandidate): WarmRequest {
  const { vm, driver, spec, publicKey } = candidate;
  const name = `${vm.imageName}, ${vm.vcpu} vcpu, ${vm.memoryMib} MiB, ${vm.driver}/${spec.accelerator}`;
  const madeOf = [vm.imageDigest, vm.kernelDigest];
  return { key: warmKey(vm, spec, candidate), name, madeOf, kind: kindOf(vm), driver, spec, publicKey };
}

function kindOf(vm: VmRecord): Kind {
  const { imageName, imageDigest, kernelName, kernelDigest, driver, vcpu, memoryMib, diskBytes, nested } = vm;
  return { imageName, imageDigest, kernelName, kernelDigest, driver, vcpu, memoryMib, diskBytes, nested };
}

/**
 * @returns null when there is no template, or it does not come up; the VM's disk is an empty one then, as before
 * @throws only when the work is cancelled
 */
export async function startWarm(
  context: VmContext,
  vm: VmRecord,
  { key, driver, spec }: WarmRequest,
  work: Work,
): Promise<BroughtUp | null> {
  const standing = await context.standby.take(vm.id, key);
  const up = standing && (await takeOver(context, standing, work));
  if (up) return up;
  const template = await context.warm.take(key);
  if (!template) {
    if (vm.machine) await emptyDisk(context, vm, spec, work); // of a machine that stood by and is gone
    return null;
  }
  for (let attempt = 1; ; attempt++) {
    try {
      await takeDisk(context, vm, spec, template, work);
      return await goOn(
        context,
        driver,
        spec,
        { kind: "warm", open: () => ({ folder: template.state }) },
        work,
      );
    } catch (error) {
      if (work.signal.aborted) throw error;
      context.log.warn({ vm: vm.id, key, attempt, err: error }, "a warm template did not come up");
      if (attempt < ATTEMPTS) continue; // QEMU 7.2 dies of one in many: the template is not to blame
      work.report.notice(`the warm template did not come up (${(error as Error).message}); booting instead`);
      await context.warm.spoiled(key);
      await emptyDisk(context, vm, spec, work);
      return null;
    }
  }
}

/** Lets a machine that stood by go on as the VM's. Null when it does not; no monitor is left then. */
async function takeOver(
  context: VmContext,
  { id, borrowed, live }: StandbyMachine,
  work: Work,
): Promise<BroughtUp | null> {
  work.report.stage("starting warm", "from standby");
  context.vms.update(id, { borrowed, start: "warm" });
  context.live.add(live);
  checkpoint("standby.taken");
  try {
    await live.machine.resume();
    return { live, session: await live.guest(), attempts: 1, rehearsed: true };
  } catch (error) {
    await endMachine(context, live);
    if (work.signal.aborted) throw error;
    context.log.warn({ vm: id, err: error }, "the machine that stood by did not go on");
    return null;
  }
}

/** The disk of the template's moment. Recorded before, so that nobody ever takes its identity for the VM's own. */
async function takeDisk(
  context: VmContext,
  vm: VmRecord,
  spec: LaunchSpec,
  template: WarmTemplate,
  work: Work,
): Promise<void> {
  context.vms.update(vm.id, { borrowed: true, start: "warm" });
  await replaceDisk(spec, (target) => cloneStateDisk(template.disk, target, work.signal));
  checkpoint("warm.borrowed");
}

async function emptyDisk(context: VmContext, vm: VmRecord, spec: LaunchSpec, work: Work): Promise<void> {
  await replaceDisk(spec, (target) => context.bootFiles.makeStateDisk(vm.diskBytes, target, work));
  context.vms.update(vm.id, { borrowed: false, start: "cold" });
}

async function replaceDisk(spec: LaunchSpec, make: (target: string) => Promise<void>): Promise<void> {
  const next = `${spec.disks.state}.next`;
  await rm(next, { force: true }); // of a start that was cut off
  await make(next);
  await rename(next, spec.disks.state);
}
