/** A file that is being written, and that nobody wants when this process ends before it is whole. */
import { type ChildProcess, spawn } from "node:child_process";

/** Removes the file that was named last as soon as no more names come. */
const REMOVE_LAST = "tail -z -n 1 | xargs -0 -r rm -f --";

/**
 * Sees to it that a file is gone however this process ends, SIGKILL too: another one waits for that. It is started with the
 * first file and ends with `dispose`, by when the file is complete under another name, or was removed.
 */
export class UnfinishedFile implements Disposable {
  #other: ChildProcess | null = null;

  /** Names the file that is being written now, in the place of the one before. @param path absolute */
  is(path: Buffer): void {
    this.#other ??= this.#start();
    this.#other.stdin?.write(Buffer.concat([path, Buffer.of(0)]));
  }

  [Symbol.dispose](): void {
    this.#other?.stdin?.end();
  }

  #start(): ChildProcess {
    // In a session of its own: what Ctrl-C sends is not for it.
    const other = spawn("/bin/sh", ["-c", REMOVE_LAST], {
      cwd: "/",
      detached: true,
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["pipe", "ignore", "ignore"],
    });
    other.on("error", () => {}); // then a process that is killed leaves its file
    other.stdin?.on("error", () => {});
    other.unref();
    return other;
  }
}
