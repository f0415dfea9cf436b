/** How a process in the guest ended. */

/** Exactly one of `code` and `signal` is not null. */
export interface ExitStatus {
  readonly code: number | null;
  readonly signal: number | null;
  /** The deadline that was given passed, and the process was stopped. */
  readonly timedOut: boolean;
}

/** A process' end together with everything it printed. */
export interface ExecResult extends ExitStatus {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
  /** `stdout` as UTF-8 text. */
  readonly text: string;
  /** The status as a shell gives it: the code, or 128 + signal, or 124 when the time was over. */
  readonly exitCode: number;
}

/** The status as a shell gives it: the code, or 128 + signal, or 124 when the time was over. */
export function exitCode(status: ExitStatus): number {
  if (status.timedOut) return 124;
  return status.code ?? 128 + (status.signal ?? 0);
}
