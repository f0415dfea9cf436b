/**
 * A running VM as it is at one moment, in files: memory and devices by its driver, the disk as a clone. It stands still for that
 * and no longer; what its record says (running or paused) holds again afterwards, whatever happens: a daemon that finds the
 * machine otherwise after a crash makes it so (`recover.ts`).
 */
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { allDone } from "../core/all-done.ts";
import { checkpoint } from "../core/checkpoints.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { freeSpace, requireSpace } from "../disk/free-space.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import { allocatedBytes } from "../host/disk-usage.ts";
import { vmDirectory } from "../host/paths.ts";
import { openPlain } from "../snapshots/content-digest.ts";
import type { VmRecord } from "../store/vms.ts";
import type { VmContext } from "./context.ts";
import type { LiveVm } from "./live-vm.ts";
import { awaken } from "./pause.ts";
import { stateDiskFile } from "./state-disk-file.ts";

/** What is left free beside a capture. */
const RESERVE = 64 * 1024 * 1024;

export interface CaptureTarget {
  /** An empty folder. */
  readonly memory: string;
  /** A file that does not exist. */
  readonly disk: string;
}

/**
 * Refuses what there is no room for, at worst: nothing of the disk shared, all of the memory that its driver may write.
 * @param live whose memory is written, if any
 * @throws no_space
 */
export async function requireRoom(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm | null,
  disks: number,
): Promise<void> {
  const memory = (await live?.machine.stateBytes(vm.memoryMib)) ?? 0;
  const disk = await allocatedBytes(stateDiskFile(vmDirectory(context.paths, vm.id)));
  await requireSpace(
    context.paths.state,
    memory + disks * disk + RESERVE,
    `${live ? "the memory and " : ""}the disk of '${vm.name}'`,
  );
}

/**
 * @returns how long it stood still, in milliseconds
 * @throws driver_failed | no_space | operation_cancelled; what was written is the caller's to remove
 */
export async function captureVm(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm,
  target: CaptureTarget,
  work: Work,
): Promise<number> {
  const folder = vmDirectory(context.paths, vm.id);
  const saved = join(folder, ".tmp-capture"); // the monitor can write nowhere else
  await rm(saved, { recursive: true, force: true });
  await mkdir(saved, { mode: 0o700 });
  try {
    const stoodStill = await whileStill(context, vm, live, work, () =>
      allDone([
        live.machine.saveState(saved, work.signal),
        cloneStateDisk(stateDiskFile(folder), target.disk, work.signal),
      ]),
    );
    work.report.stage("storing", stoodStillFor(vm, stoodStill));
    await takeOver(saved, target.memory);
    return stoodStill;
  } finally {
    await rm(saved, { recursive: true, force: true });
  }
}

/**
 * Keeps a machine as it is while `save` saves it; afterwards it goes on, unless it was paused before.
 * @returns how long it stood still, in milliseconds
 * @throws driver_failed | no_space | operation_cancelled, and what `save` throws otherwise
 */
export async function whileStill(
  context: VmContext,
  vm: VmRecord,
  live: LiveVm,
  work: Work,
  save: () => Promise<unknown>,
): Promise<number> {
  work.report.stage("saving", "it stands still");
  const begun = performance.now();
  await live.machine.pause();
  checkpoint("capture.paused");
  const [result] = await Promise.allSettled([save()]);
  checkpoint("capture.saved");
  if (vm.state !== "paused") await goOn(context, vm, live);
  const stoodStill = Math.round(performance.now() - begun);
  checkpoint("capture.resumed");
  if (result.status === "rejected") throw await explained(context, vm, result.reason, work);
  return stoodStill;
}

/** For people. */
export const stoodStillFor = ({ name }: VmRecord, ms: number): string => `${name} stood still for ${ms} ms`;

async function goOn(context: VmContext, vm: VmRecord, live: LiveVm): Promise<void> {
  try {
    await live.machine.resume();
  } catch (error) {
    if (await live.machine.answers()) context.vms.update(vm.id, { state: "paused" });
    throw error;
  }
  awaken(live).catch((error: unknown) =>
    context.log.warn({ vm: vm.id, err: error }, "the guest's clock was not put right"),
  );
}

/** Files alone, one by one, and into a folder that no monitor has ever seen. */
async function takeOver(from: string, to: string): Promise<void> {
  for (const name of await readdir(from)) {
    const { file } = await openPlain(join(from, name));
    await file.close();
    await rename(join(from, name), join(to, name));
  }
}

/** A disk that ran full meanwhile is told as such, whoever noticed. */
async function explained(
  context: VmContext,
  vm: VmRecord,
  error: unknown,
  { signal }: Work,
): Promise<unknown> {
  signal.throwIfAborted();
  const full = (await freeSpace(context.paths.state)) < RESERVE || /ENOSPC|No space left/.test(String(error));
  if (!full || (error instanceof BangerError && error.code === "no_space")) return error;
  const what = `the memory and the disk of '${vm.name}'`;
  return BangerError.of(
    "no_space",
    { what, needed: "more", available: "too little", path: context.paths.state },
    { cause: error },
  );
}
