/** Long work in the daemon: start it, follow it to its end, cancel it. */
import type { Operation, OperationEvent } from "../api/schemas.ts";
import { BangerError } from "../core/errors.ts";
import { parseEvents } from "./events.ts";
import { type Call, connectionError, segment, type Transport } from "./transport.ts";

export interface FollowOptions {
  /** Called for each stage, progress and notice, and for the end. */
  readonly onEvent?: ((event: OperationEvent) => void) | undefined;
  /** Cancels the operation; what is half made is undone before the promise rejects. */
  readonly signal?: AbortSignal | undefined;
}

/** Starts an operation and follows it to its end. @throws what it failed with */
export async function perform(
  transport: Transport,
  path: string,
  call: Call,
  options: FollowOptions = {},
): Promise<Operation> {
  // The request itself is not cut by the signal: whether it had begun would not be known.
  options.signal?.throwIfAborted();
  const started = await transport.json<Operation>(path, call);
  return follow(transport, started.id, options);
}

/** Follows an operation from its beginning to its end, whoever started it. @throws what it failed with */
export async function follow(
  transport: Transport,
  id: string,
  options: FollowOptions = {},
): Promise<Operation> {
  const { signal } = options;
  let ended: Operation | undefined;
  const cancel = () => void cancelOperation(transport, id).catch(() => {}); // the event stream tells what came of it
  if (signal?.aborted) cancel();
  signal?.addEventListener("abort", cancel, { once: true });
  try {
    const reply = await transport.open(`/v1/operations/${segment(id)}/events`);
    // Read to its end, which comes with the last event: a connection that was read to its end is used again.
    for await (const event of parseEvents(reply) as AsyncGenerator<OperationEvent>) {
      options.onEvent?.(event);
      if (event.type === "end") ended = event.operation;
    }
  } catch (error) {
    if (!ended) throw connectionError(error);
  } finally {
    signal?.removeEventListener("abort", cancel);
  }
  if (!ended) throw BangerError.of("daemon_connection_lost", {});
  return outcome(ended, signal);
}

export function cancelOperation(transport: Transport, id: string): Promise<Operation> {
  return transport.json(`/v1/operations/${segment(id)}/cancel`, { method: "POST" });
}

function outcome(operation: Operation, signal: AbortSignal | undefined): Operation {
  if (operation.state === "succeeded") return operation;
  if (operation.state === "cancelled" && signal?.aborted) throw signal.reason;
  const error = operation.error
    ? BangerError.fromBody(operation.error)
    : BangerError.of("operation_cancelled", {
        what: `${operation.kind.replace("_", " ")} of ${operation.target}`,
      });
  error.operation ??= operation.id;
  throw error;
}
