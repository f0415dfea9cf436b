/** Modes and times of directories, set once nothing is written into them any more. */
import type { Beneath } from "./beneath.ts";
import type { Folder } from "./folder.ts";
import type { Components } from "./member-path.ts";

/** Bytes of names to remember; directories beyond keep the mode and time they were made with: an archive may have any number. */
const MAX_BYTES = 16 * 1024 * 1024;
/** What an entry takes besides its name. */
const OVERHEAD = 100;

interface Attributes {
  readonly path: Components;
  readonly mode: number;
  readonly mtimeNs: bigint;
}

export class DirectoryAttributes {
  readonly #beneath: Beneath;
  #directories: Attributes[] = [];
  #bytes = 0;

  constructor(beneath: Beneath) {
    this.#beneath = beneath;
  }

  add(path: Components, mode: number, mtimeNs: bigint): void {
    const bytes = path.reduce((sum, part) => sum + part.length, OVERHEAD);
    if (this.#bytes + bytes > MAX_BYTES) return;
    this.#bytes += bytes;
    this.#directories.push({ path, mode, mtimeNs });
  }

  /** The deepest first, so that none becomes unusable while those in it are set. One that is gone meanwhile is passed over. */
  apply(): void {
    const directories = this.#directories;
    this.#directories = [];
    directories.sort((a, b) => b.path.length - a.path.length);
    for (const { path, mode, mtimeNs } of directories) {
      let folder: Folder | null = null;
      try {
        folder = this.#beneath.open(path);
        folder.setAttributes(mode, seconds(mtimeNs));
      } catch {
        // somebody changed the tree meanwhile, or a directory named twice is closed to us by now
      } finally {
        folder?.close();
      }
    }
  }
}

/** Seconds as Node takes them: a double, which holds a microsecond; nudged, because what it lacks to a whole one is cut off. */
export function seconds(ns: bigint): number {
  const microseconds = ns / 1000n;
  return Number(microseconds) / 1e6 + (microseconds % 1_000_000n === 0n ? 0 : NUDGE);
}

const NUDGE = 2e-7;
