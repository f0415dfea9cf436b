/** The first program of a guest, run for what the next one gains by it. */
import { type GuestSession, startProcess } from "../guest/index.ts";

/**
 * Runs a program that does nothing, to its end. In a guest that was booted it brings what every program needs into memory; in one
 * that goes on from a saved state an emulator translates what starting a program executes, on one processor, while the agent is
 * configured on another: most of what the first command would have to wait for. An image may have no such program. Never fails.
 */
export async function rehearse(session: GuestSession, argv: readonly string[] = ["true"]): Promise<void> {
  try {
    const process = await startProcess(session, { argv });
    process.stdout.resume();
    process.stderr.resume();
    await process.exited;
  } catch {
    // nobody needs its result; whoever uses the guest next notices what is wrong with it
  }
}
