/** Carries bytes between two connections, both ways, with backpressure and half close. */
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/**
 * Joins `a` and `b` until both directions have ended. When one side sends no more, the other is told so; when one breaks
 * off, the other is reset, so that nobody takes what is cut off for complete.
 * @returns when both are closed; with what went wrong, or null
 */
export async function relay(a: Duplex, b: Duplex): Promise<Error | null> {
  const failures = await Promise.all([carry(a, b), carry(b, a)]);
  return failures.find((failure) => failure !== null) ?? null;
}

function carry(from: Duplex, to: Duplex): Promise<Error | null> {
  let failure: Error | null = null;
  from.on("error", (error) => {
    failure ??= error;
  });
  const closed = new Promise<Error | null>((resolve) =>
    from.once("close", () => {
      if (!from.readableEnded || !from.writableFinished) reset(to);
      resolve(failure);
    }),
  );
  from.pipe(to);
  return closed;
}

/** Ends a connection so that its other end sees that it was cut off. */
export function reset(stream: Duplex): void {
  if (stream instanceof Socket) stream.resetAndDestroy();
  else stream.destroy();
}
