/**
 * The moments between the steps of what the daemon does: where a crash leaves something half done. The pipelines say when
 * they pass one; nobody listens but the fault tests, which kill daemon, monitor and client at each and fail when one is not
 * passed. A new step gets a new name here. These are the ones of a VM's life: tests/vm/faults.test.ts.
 */
export const CHECKPOINTS = [
  "create.recorded",
  "create.folder",
  "create.disk",
  "start.recorded",
  "start.spawned",
  "start.launched",
  "start.noted",
  "start.greeted",
  "start.configured",
  "start.running",
  "pause.stopped",
  "pause.recorded",
  "resume.running",
  "resume.recorded",
  "stop.recorded",
  "stop.synced",
  "stop.asked",
  "stop.gone",
  "set.recorded",
  "set.renamed",
  "set.file",
  "set.device",
  "set.grown",
  "delete.recorded",
  "delete.killed",
  "delete.moved",
  "delete.forgotten",
  "recover.found",
  "recover.done",
  "workspace.read",
  "workspace.unpacking",
  "workspace.unpacked",
  "workspace.placed",
  "workspace.settled",
  "workspace.pending",
  "workspace.moved",
] as const;

/** Those of templates, made and used: tests/vm/warm.test.ts. */
export const WARM_CHECKPOINTS = ["warm.launched", "warm.saved", "warm.complete", "warm.borrowed"] as const;

/** Of a machine that stands by: tests/vm/standby.test.ts. */
export const STANDBY_CHECKPOINTS = ["standby.launched", "standby.ready", "standby.taken"] as const;

/** Of a jailer's jail, made and removed: tests/vm/jailer.test.ts. */
export const JAIL_CHECKPOINTS = ["jail.begun", "jail.made", "jail.ended", "jail.emptied"] as const;

/** Of snapshots and forks; copies pass those of creations and starts, too. */
export const SNAPSHOT_CHECKPOINTS = [
  "capture.paused",
  "capture.saved",
  "capture.resumed",
  "snapshot.published",
  "snapshot.recorded",
] as const;

/** Files and archives into and out of guests: tests/vm/faults-transfers.test.ts. */
export const COPY_CHECKPOINTS = ["upload.opened", "upload.sent", "download.opened", "download.sent"] as const;

/** Obtaining what VMs are made of: tests/vm/faults-transfers.test.ts. */
export const SUPPLY_CHECKPOINTS = [
  "layer.arrived",
  "store.begun",
  "store.filled",
  "store.placed",
  "image.packing",
  "build.running",
  "kernel.downloaded",
] as const;

export type Checkpoint =
  | (typeof CHECKPOINTS)[number]
  | (typeof WARM_CHECKPOINTS)[number]
  | (typeof STANDBY_CHECKPOINTS)[number]
  | (typeof JAIL_CHECKPOINTS)[number]
  | (typeof SNAPSHOT_CHECKPOINTS)[number]
  | (typeof COPY_CHECKPOINTS)[number]
  | (typeof SUPPLY_CHECKPOINTS)[number];

let listener: (point: Checkpoint) => void = () => {};

/** Has `listen` called at each checkpoint. For tests. */
export function onCheckpoint(listen: (point: Checkpoint) => void): void {
  listener = listen;
}

/** Says that a moment is reached. */
export function checkpoint(point: Checkpoint): void {
  listener(point);
}
