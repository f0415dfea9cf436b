/** Exit codes: the one rule of docs/cli.md. */
import { constants } from "node:os";
import type { BangerError } from "../core/errors.ts";
import { EXIT } from "../core/exit-codes.ts";

/**
 * The code for a failure: what the error says; but where every other code is the guest's own (`run`, `exec`), a failure
 * of banger itself ends with 125, as with `docker run`.
 */
export function failureCode(error: Pick<BangerError, "exit">, guestExit: boolean): number {
  return guestExit && error.exit === EXIT.failure ? EXIT.bangerFailed : error.exit;
}

/** 128 + n, as shells report a program that a signal ended. */
export function signalCode(name: NodeJS.Signals): number {
  return 128 + signalNumber(name);
}

/** The number of a signal; the same in the guest, which is Linux too. */
export function signalNumber(name: NodeJS.Signals): number {
  return constants.signals[name];
}

/** Thrown when a command was left to itself (`--detach-keys`). */
export class Detached extends Error {
  /** The agent's number of it. */
  readonly proc: number;
  constructor(proc: number) {
    super("detached");
    this.proc = proc;
  }
}

/** Thrown to end with a signal's code and without an error message: the user knows what was pressed. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;
  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}
