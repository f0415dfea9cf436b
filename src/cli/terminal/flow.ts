/** Bytes between this process' standard streams and a guest. */
import { BangerError } from "../../core/errors.ts";

/**
 * Copies to one of our own streams, as fast as that takes it; ours stays open. Resolves at the end of `from`.
 * @throws stream_failed when ours cannot be written; a reader that went away is not met here, it ends the process
 */
export function drain(from: NodeJS.ReadableStream, to: NodeJS.WritableStream, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error) => {
      to.off("error", broken);
      if (error) reject(error);
      else resolve();
    };
    const broken = (error: Error) => settle(streamFailed(name, "written", error));
    to.once("error", broken);
    from.once("end", () => settle()).once("close", () => settle());
    from.once("error", settle);
    from.pipe(to, { end: false });
  });
}

/** Copies our standard input to a command. @returns how to stop, and a promise that only rejects: input that cannot be read */
export function feed(
  from: NodeJS.ReadableStream,
  to: NodeJS.WritableStream,
): { readonly stop: () => void; readonly broken: Promise<never> } {
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {}); // it is raced; whoever lost interest must not be killed by it
  // A file on a disk that fails, a terminal that is gone: not the end of the input, which the command would take it for.
  const fail = (error: Error) => broken.reject(streamFailed("standard input", "read", error));
  from.on("error", fail);
  from.pipe(to);
  const stop = () => {
    from.unpipe(to);
    from.pause();
  };
  return { stop, broken: broken.promise };
}

/** What a broken standard stream is to the user. */
export function streamFailed(stream: string, used: "read" | "written", cause: Error): BangerError {
  return BangerError.of("stream_failed", { stream, used, reason: cause.message }, { cause });
}
