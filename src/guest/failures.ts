/** What the agent refuses, as errors of banger's catalogue. */
import { BangerError } from "../core/errors.ts";
import { type FailureStatus, STATUS } from "./operations.ts";

const NAMES = new Map<number, FailureStatus>(
  Object.entries(STATUS).flatMap(([name, number]) =>
    name === "ok" ? [] : [[number, name as FailureStatus]],
  ),
);

const HINTS: Partial<Record<FailureStatus, string>> = {
  unknown_op: "banger vm restart gives the VM this banger's agent",
  permission: "the file may be read-only or belong to the kernel",
  exists: "remove it first, or allow it to be replaced",
  not_directory: "give the path of a directory",
  is_directory: "give the path of a file",
  no_space: "free some space in the guest, or give the VM a larger disk",
  too_many: "wait until some of them have ended",
  refused: "start the service in the guest, or check the port",
  not_empty: "remove it recursively",
};

/** The numbers and the text of a failure, as the agent sent them. */
export interface AgentFailure {
  readonly status: number;
  readonly errno: number;
  readonly message: string;
  /** Members of an archive that were written before. */
  readonly entries?: number;
}

/** Name of a status number; numbers of a newer agent count as `io`. */
export function statusName(status: number): FailureStatus {
  return NAMES.get(status) ?? "io";
}

/** `guest_not_found` or `guest_refused`; `details.status` names the status for programs. */
export function failureError(failure: AgentFailure, what: string): BangerError {
  const status = statusName(failure.status);
  const problem = failure.message || `${what}: ${status}`;
  const { errno, entries } = failure;
  const extra = { details: { status, errno, ...(entries !== undefined && { entries }) } };
  if (status === "not_found") return BangerError.of("guest_not_found", { problem }, extra);
  const hint = HINTS[status] ?? "the guest's own logs may tell more";
  return BangerError.of("guest_refused", { problem, hint }, extra);
}

/** The status name that an error of this module carries, if it is one. */
export function failureStatus(error: unknown): FailureStatus | undefined {
  const status = error instanceof BangerError ? error.details?.status : undefined;
  return typeof status === "string" && Object.hasOwn(STATUS, status) ? (status as FailureStatus) : undefined;
}
