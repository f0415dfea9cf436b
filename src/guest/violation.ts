/** The one way to say that a guest broke the protocol. Thrown while its bytes are read; the session then closes. */
import { BangerError } from "../core/errors.ts";

/** A `guest_protocol` error. `problem` is one clause for people; no secrets, bounded. */
export function violation(problem: string): BangerError {
  return BangerError.of("guest_protocol", { problem });
}
