/**
 * VMs that begin as copies of another machine: its disk, and where there is one its saved memory, with which they go on instead
 * of booting. Each is a machine of its own before its first command (`borrowed`). All or nothing: until it runs it is marked to be
 * removed, so that one whose making is cut off is gone at the daemon's next start.
 */
import type { PortMapping } from "../core/port-mapping.ts";
import type { Work } from "../core/stage.ts";
import type { Origin, VmRecord } from "../store/vms.ts";
import type { SavedMachine } from "./bring-up.ts";
import type { VmContext } from "./context.ts";
import { NEVER_STARTED, placeVm } from "./create.ts";
import { deleteVm } from "./delete.ts";
import { startVm, type WaitFor } from "./start.ts";
import { UndoStack } from "./undo.ts";

/** What a machine is, whoever it belongs to. */
export type Blueprint = Pick<
  VmRecord,
  | "imageName"
  | "imageDigest"
  | "kernelName"
  | "kernelDigest"
  | "kernelRelease"
  | "driver"
  | "vcpu"
  | "memoryMib"
  | "diskBytes"
  | "unsettled"
  | "nested"
  | "nat"
  | "diskRate"
  | "netRate"
>;

export interface CopyRequest {
  readonly id: string;
  /** Absent: a free two-word name is chosen. */
  readonly name: string | undefined;
  readonly publish: readonly PortMapping[];
  readonly autoRemove: boolean;
  readonly ttlMs: number | null;
  readonly wait: WaitFor;
}

/** What a copy is made from. */
export interface Original {
  readonly blueprint: Blueprint;
  readonly origin: Origin;
  /** Its saved memory and devices; null: the copy boots. */
  readonly machine: SavedMachine["open"] | null;
  /** Makes the copy's disk, unless `machine` does. */
  readonly makeDisk: (file: string) => Promise<void>;
}

/** Makes a copy and has it run. @throws port_unavailable | no_space | boot_failed | operation_cancelled; nothing is left then */
export async function copyVm(
  context: VmContext,
  request: CopyRequest,
  { blueprint, origin, machine, makeDisk }: Original,
  work: Work,
): Promise<VmRecord> {
  const { id, name = "", autoRemove, ttlMs, wait } = request;
  const undo = new UndoStack();
  try {
    const publish = await context.ports.open(id, request.publish);
    undo.push(() => context.ports.close(id));
    const record = await placeVm(
      context,
      {
        ...blueprint,
        ...NEVER_STARTED,
        id,
        name,
        borrowed: true,
        origin,
        publish,
        autoRemove: true,
        ttlMs,
        createdAt: Date.now(),
      },
      makeDisk,
      undo,
    );
    work.signal.throwIfAborted();
    undo.push(() => deleteVm(context, record, work));
    const how = machine ? { saved: { kind: "restored", open: machine } as const } : { cold: true };
    await startVm(context, record, { wait, ...how }, work);
    context.vms.update(id, { autoRemove });
    return record;
  } catch (error) {
    for (const failure of await undo.unwind()) context.log.error({ failure }, "undoing a copy failed");
    throw error;
  }
}
