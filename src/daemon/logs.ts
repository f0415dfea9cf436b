/** A VM's console as a stream: what is kept, then what comes. */
import { Readable } from "node:stream";
import type { VmContext } from "../vm/context.ts";

const MAX_BUFFERED = 1024 * 1024;

/** @param query.tail last lines only; query.follow goes on until the client leaves or the VM stops */
export function openLogs(
  context: VmContext,
  id: string,
  query: { readonly tail?: number | undefined; readonly follow?: boolean | undefined },
): Readable {
  const log = context.consoleOf(id);
  const kept = log.read(query.tail);
  const live = query.follow ? context.live.get(id) : undefined;
  if (!live) return Readable.from([kept], { objectMode: false });

  const stream = new Readable({ read() {} });
  stream.push(kept);
  const stop = log.follow((chunk) => {
    // A reader that does not keep up is cut off: the console must never wait for it, nor memory grow.
    if (stream.readableLength > MAX_BUFFERED) stream.destroy();
    else stream.push(chunk);
  });
  stream.once("close", stop);
  void live.machine.exited.then(() => stream.push(null));
  return stream;
}
