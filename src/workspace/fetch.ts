/** Brings files of the guest to the host: into a folder of banger's own, under names that were checked, bounded. */
import { createWriteStream } from "node:fs";
import { mkdir } from "node:fs/promises";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { allDone } from "../core/all-done.ts";
import { BangerError } from "../core/errors.ts";
import type { Reporter } from "../core/stage.ts";
import { formatSize, GIB } from "../core/units.ts";
import { bytePath, EXECUTABLE } from "../git/work-tree.ts";
import { type GuestSession, readFile } from "../guest/index.ts";
import type { GuestFile } from "./guest-files.ts";

/** Files asked for at the same time. */
const AT_ONCE = 16;
/** All that one export brings. */
const MAX_BYTES = 8 * GIB;

/** Counts what comes over all files. */
export class Budget {
  #taken = 0;
  readonly #report: Reporter | undefined;

  constructor(report?: Reporter) {
    this.#report = report;
  }

  /** @throws guest_refused when it is too much */
  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken > MAX_BYTES) {
      throw BangerError.of("guest_refused", {
        problem: `more than ${formatSize(MAX_BYTES)} changed in its work tree`,
        hint: "copy large files with banger vm cp, or have git ignore them",
      });
    }
    this.#report?.progress({ done: this.#taken, unit: "bytes" });
  }

  /** Passes a stream's bytes on and takes them from the budget. */
  counter(): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        try {
          this.take(chunk.length);
          done(null, chunk);
        } catch (error) {
          done(error as Error);
        }
      },
    });
  }
}

/** Writes the guest's files below `folder`, which must be new: nothing there is followed or replaced. */
export async function fetchFiles(
  session: GuestSession,
  guestPath: string,
  files: readonly GuestFile[],
  folder: string,
  budget: Budget,
  signal?: AbortSignal,
): Promise<void> {
  const made = new Set<string>();
  await eachOf(files, AT_ONCE, async (file) => {
    const slash = file.path.lastIndexOf("/");
    const parent = slash < 0 ? "" : file.path.slice(0, slash);
    if (!made.has(parent)) await mkdir(bytePath(folder, parent), { recursive: true, mode: 0o700 });
    made.add(parent);
    const content = await readFile(session, bytePath(guestPath, file.path), { signal });
    const mode = file.mode === EXECUTABLE ? 0o700 : 0o600;
    await pipeline(
      content,
      budget.counter(),
      createWriteStream(bytePath(folder, file.path), { flags: "wx", mode }),
    );
  });
}

/** Calls `work` for each item, some at a time; the first failure ends it. */
export async function eachOf<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < items.length && !failed) {
      const item = items[next++] as T;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = Array.from({ length: Math.min(atOnce, items.length) }, worker);
  await allDone(workers);
}
