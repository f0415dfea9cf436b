/** Long work with a stable id, stages, progress, notices, cancel, and an event stream that can be joined at any time. */
import type { Operation, OperationEvent } from "../api/schemas.ts";
import { asBangerError, BangerError } from "../core/errors.ts";
import { newId } from "../core/ids.ts";
import type { Progress, Work } from "../core/stage.ts";
import type { Log } from "../vm/context.ts";

const KEPT = 100;
const MAX_NOTICES = 100;
/** Followers hear of progress at most this often; what is in between is in the operation itself. */
const PROGRESS_EVERY_MS = 100;
const MAX_STAGES = 500;

type Kind = Operation["kind"];
/** What work made, where there is more to tell than that it was done. */
// biome-ignore lint/suspicious/noConfusingVoidType: most work just ends
type Result = Operation["result"] | void;
type Subscriber = (event: OperationEvent) => void;

class RunningOperation {
  readonly view: Operation;
  readonly abort = new AbortController();
  readonly subscribers = new Set<Subscriber>();
  done: Promise<void> = Promise.resolve();

  constructor(kind: Kind, target: string) {
    this.view = {
      id: newId("op"),
      kind,
      target,
      state: "running",
      stages: [],
      progress: null,
      notices: [],
      error: null,
      result: null,
      created_at: new Date().toISOString(),
      ended_at: null,
    };
  }

  publish(event: OperationEvent): void {
    for (const subscriber of this.subscribers) subscriber(event);
  }
}

export class Operations {
  readonly #log: Log;
  readonly #operations = new Map<string, RunningOperation>();

  constructor(log: Log) {
    this.#log = log;
  }

  /** Starts work in the background and returns its operation at once. The work never throws out of here: its error is in the operation. */
  start(kind: Kind, target: string, work: (work: Work) => Promise<Result>): Operation {
    const operation = new RunningOperation(kind, target);
    this.#operations.set(operation.view.id, operation);
    this.#log.info({ op: operation.view.id, kind, target }, "operation started");
    operation.done = this.#run(operation, work);
    return operation.view;
  }

  list(): Operation[] {
    return [...this.#operations.values()].map((operation) => operation.view);
  }

  /** @throws operation_not_found */
  get(id: string): Operation {
    return this.#find(id).view;
  }

  /** Asks the work to stop and waits until it has cleaned up. An ended operation stays as it is. */
  async cancel(id: string): Promise<Operation> {
    const operation = this.#find(id);
    operation.abort.abort(BangerError.of("operation_cancelled", { what: `operation ${id}` }));
    await operation.done;
    return operation.view;
  }

  /** Replays what happened so far, then follows until `end`. @returns how to stop following */
  follow(id: string, subscriber: Subscriber): () => void {
    const operation = this.#find(id);
    for (const { name, detail } of operation.view.stages) subscriber({ type: "stage", name, detail });
    for (const text of operation.view.notices) subscriber({ type: "notice", text });
    if (operation.view.state !== "running") {
      subscriber({ type: "end", operation: operation.view });
      return () => {};
    }
    operation.subscribers.add(subscriber);
    return () => operation.subscribers.delete(subscriber);
  }

  /** Cancels everything and waits for it: for the daemon's own end. */
  async cancelAll(): Promise<void> {
    const running = this.list().filter((view) => view.state === "running");
    await Promise.all(running.map((view) => this.cancel(view.id)));
  }

  #find(id: string): RunningOperation {
    const operation = this.#operations.get(id);
    if (!operation) throw BangerError.of("operation_not_found", { id });
    return operation;
  }

  async #run(operation: RunningOperation, work: (work: Work) => Promise<Result>): Promise<void> {
    const { view } = operation;
    try {
      const result = await work({ report: reporter(operation), signal: operation.abort.signal });
      view.result = result ?? null;
      view.state = "succeeded";
    } catch (thrown) {
      const error = asBangerError(thrown);
      const cancelled = operation.abort.signal.aborted;
      view.state = cancelled ? "cancelled" : "failed";
      error.operation = view.id;
      view.error = error.toBody();
      if (!cancelled) this.#log.error({ op: view.id, err: thrown, code: error.code }, error.message);
    }
    view.ended_at = new Date().toISOString();
    endStage(view);
    this.#log.info({ op: view.id, state: view.state }, "operation ended");
    operation.publish({ type: "end", operation: view });
    operation.subscribers.clear();
    this.#forgetOld();
  }

  #forgetOld(): void {
    const ended = [...this.#operations.values()].filter((operation) => operation.view.state !== "running");
    for (const operation of ended.slice(0, Math.max(0, ended.length - KEPT)))
      this.#operations.delete(operation.view.id);
  }
}

function reporter(operation: RunningOperation): Work["report"] {
  const { view } = operation;
  let published = 0;
  return {
    stage(name: string, detail?: string) {
      endStage(view);
      if (view.stages.length >= MAX_STAGES) return;
      view.stages.push({ name, detail: detail ?? null, started_at: new Date().toISOString(), took_ms: null });
      view.progress = null;
      published = 0;
      operation.publish({ type: "stage", name, detail: detail ?? null });
    },
    progress(progress: Progress) {
      view.progress = { ...progress };
      if (Date.now() - published < PROGRESS_EVERY_MS) return;
      published = Date.now();
      operation.publish({ type: "progress", progress: { ...progress } });
    },
    notice(text: string) {
      if (view.notices.length >= MAX_NOTICES) return;
      view.notices.push(text);
      operation.publish({ type: "notice", text });
    },
  };
}

function endStage(view: Operation): void {
  const last = view.stages.at(-1);
  if (last && last.took_ms === null) last.took_ms = Date.now() - Date.parse(last.started_at);
}
