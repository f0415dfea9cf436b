/**
 * When the identity that a copy of a machine was given is its own for good: once it is on its disk. Until then its record says
 * `borrowed`, and the next start gives it another one: a monitor that is killed leaves on the disk what its guest had written
 * there, which may still be the identity of the machine that it is a copy of.
 */
import { type GuestSession, sync } from "../guest/index.ts";
import type { VmContext } from "./context.ts";

/** Who runs a command and is gone by then need not pay for it. */
const DELAY_MS = 2000;

/** Has a guest that just got its identity write it to its disk, some time. */
export function keepIdentity(context: VmContext, id: string, session: GuestSession): void {
  if (!context.vms.get(id)?.borrowed) return;
  const keep = async () => {
    await sync(session);
    context.vms.update(id, { borrowed: false });
  };
  const timer = setTimeout(() => {
    keep().catch((error: unknown) =>
      context.log.warn({ vm: id, err: error }, "its identity may not be kept"),
    );
  }, DELAY_MS).unref();
  void session.closed.then(() => clearTimeout(timer));
}
