/**
 * The moments between the steps of a VM's pipelines: where a crash leaves something half done. The pipelines say when they
 * pass one; nobody listens but the fault test (tests/vm/faults.test.ts), which kills daemon, monitor and client at each
 * and fails when one is not passed. A new step gets a new name here.
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
] as const;

/** Those of templates, made and used: tests/vm/warm.test.ts. */
export const WARM_CHECKPOINTS = ["warm.launched", "warm.saved", "warm.complete", "warm.borrowed"] as const;

export type Checkpoint = (typeof CHECKPOINTS)[number] | (typeof WARM_CHECKPOINTS)[number];

let listener: (point: Checkpoint) => void = () => {};

/** Has `listen` called at each checkpoint. For tests. */
export function onCheckpoint(listen: (point: Checkpoint) => void): void {
  listener = listen;
}

/** Says that a moment is reached. */
export function checkpoint(point: Checkpoint): void {
  listener(point);
}
