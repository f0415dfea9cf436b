/** A new VM of a snapshot. */
import { join } from "node:path";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { requireSpace } from "../disk/free-space.ts";
import { cloneStateDisk } from "../disk/state-disk.ts";
import { processor } from "../host/processor.ts";
import { hostSize } from "../host/vm-defaults.ts";
import { verifyFiles } from "../snapshots/files.ts";
import { DISK, type Manifest, MEMORY } from "../snapshots/manifest.ts";
import type { VmRecord } from "../store/vms.ts";
import type { DriverStatus } from "../vmm/driver.ts";
import { requireFeatures } from "../vmm/features.ts";
import type { VmContext } from "./context.ts";
import { type CopyRequest, copyVm } from "./copy.ts";
import { checkFitsHost } from "./create.ts";

/**
 * Everything is checked before anything is made: that the host has what the snapshot needs, and every byte of it.
 * @throws vm_name_taken | snapshot_unusable | snapshot_damaged | resource_exceeds_host | no_space, and as `copyVm`; nothing is left then
 */
export function restoreVm(
  context: VmContext,
  snapshot: Manifest,
  request: CopyRequest,
  work: Work,
): Promise<VmRecord> {
  const folder = context.snapshots.path(snapshot.id);
  return context.supplies.use(() =>
    context.snapshots.use(snapshot, async () => {
      if (request.name !== undefined && context.vms.hasName(request.name))
        throw BangerError.of("vm_name_taken", { name: request.name });
      await requireUsable(context, snapshot);
      await verifyFiles(snapshot, folder, work);
      const disk = join(folder, DISK);
      return copyVm(
        context,
        request,
        {
          blueprint: {
            imageName: snapshot.image.name,
            imageDigest: snapshot.image.digest,
            kernelName: snapshot.kernel.name,
            kernelDigest: snapshot.kernel.digest,
            kernelRelease: snapshot.kernel.release,
            driver: snapshot.driver,
            vcpu: snapshot.vcpu,
            memoryMib: snapshot.memoryMib,
            diskBytes: snapshot.diskBytes,
            unsettled: false,
            nested: snapshot.nested,
            nat: snapshot.nat,
            diskRate: null,
            netRate: null,
          },
          origin: { kind: "snapshot", id: snapshot.id, name: snapshot.name },
          machine: snapshot.machine && (() => ({ folder: join(folder, MEMORY) })),
          makeDisk: (file) => cloneStateDisk(disk, file, work.signal),
        },
        work,
      );
    }),
  );
}

/** @throws snapshot_unusable with the reason | resource_exceeds_host | driver_unavailable | no_space */
async function requireUsable(context: VmContext, snapshot: Manifest): Promise<void> {
  const { name, image, kernel, machine, vcpu, memoryMib } = snapshot;
  checkFitsHost({ vcpu, memoryMib }, hostSize());
  const unusable = (reason: string, fix: string) =>
    BangerError.of("snapshot_unusable", { name, reason, fix });
  await context.images.get(image.digest).catch(() => {
    throw unusable(
      `its image ${image.name} (${image.digest.slice(0, 12)}) is not here`,
      "banger image list --json shows digests; it must be the same image, not only one of that name",
    );
  });
  await context.kernels.get(kernel.digest).catch(() => {
    throw unusable(
      `its kernel ${kernel.release} (${kernel.digest.slice(0, 12)}) is not here`,
      "banger kernel list --json shows digests; it must be the same kernel",
    );
  });
  const { driver, status } = await context.drivers.select(snapshot.driver, [
    ...(snapshot.nested ? (["nested"] as const) : []),
    ...(snapshot.nat ? (["nat"] as const) : []),
  ]);
  await requireSpace(
    context.paths.state,
    await context.snapshots.bytes(snapshot.id),
    `a VM of snapshot '${name}'`,
  );
  if (!machine) return;
  requireFeatures(driver, ["snapshot"]);
  const problem = mismatch(machine, status, processor());
  if (problem !== null) throw unusable(problem, "restore it on a host like the one that it was made on");
}

type Usable = Pick<Extract<DriverStatus, { usable: true }>, "version" | "accelerator" | "counterKhz">;

/** How far two counters may be apart: what NTP can make up for (500 ppm, MAXFREQ of Linux). */
const COUNTER_TOLERANCE = 500e-6;

const areAlike = (khz: number | undefined, other: number) =>
  khz !== undefined && Math.abs(khz / other - 1) <= COUNTER_TOLERANCE;

const megahertz = (khz: number) => `${khz / 1000} MHz`;

/** Why a saved machine cannot go on here; null when it can. Pure. */
export function mismatch(
  machine: NonNullable<Manifest["machine"]>,
  { version, accelerator, counterKhz }: Usable,
  processor: string,
): string | null {
  if (machine.version !== version)
    return `it was made by version ${machine.version} of the driver's program, here is ${version}`;
  if (machine.accelerator !== accelerator)
    return `it ran with ${machine.accelerator}, this host uses ${accelerator}`;
  if (machine.processor !== processor)
    return `it ran on a processor of the kind ${machine.processor}, this is ${processor}`;
  if (machine.counterKhz === null || areAlike(counterKhz, machine.counterKhz)) return null;
  const here = counterKhz === undefined ? "here is none" : `here is one of ${megahertz(counterKhz)}`;
  return `it keeps time by a counter of ${megahertz(machine.counterKhz)}, ${here}`;
}
