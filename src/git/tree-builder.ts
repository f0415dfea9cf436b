/** Builds a git tree in an index of banger's own, from entries that are known and files of a work tree. */
import { writeFile } from "node:fs/promises";
import { formatIndex, type IndexEntry } from "./index-file.ts";
import type { Shadow } from "./shadow.ts";

export class TreeBuilder {
  readonly #shadow: Shadow;
  readonly #index: string;
  readonly #options;

  /** @param index the index file, made by `start` @param workTree where `add` finds files, and their `.gitattributes` */
  constructor(shadow: Shadow, index: string, workTree: string, signal: AbortSignal | undefined) {
    this.#shadow = shadow;
    this.#index = index;
    this.#options = { signal, cwd: workTree, env: { GIT_INDEX_FILE: index, GIT_WORK_TREE: workTree } };
  }

  /** Begins with these entries. */
  async start(entries: readonly IndexEntry[]): Promise<void> {
    await writeFile(this.#index, formatIndex(entries.toSorted(byPath), this.#shadow.repository.format));
  }

  /** Takes files of the work tree in, converted as `git add` does it, without filters. */
  async add(paths: readonly string[]): Promise<void> {
    await this.#change(["--add", "--replace"], paths);
  }

  async remove(paths: readonly string[]): Promise<void> {
    await this.#change(["--force-remove"], paths);
  }

  /** Blobs of files as they are, in their order. @param paths of the host, without line breaks */
  async blobs(paths: readonly string[]): Promise<string[]> {
    if (paths.length === 0) return [];
    const { stdout } = await this.#shadow.git(["hash-object", "-w", "--no-filters", "--stdin-paths"], {
      ...this.#options,
      input: paths.map((path) => `${path}\n`).join(""),
      settings: FAST,
    });
    return stdout.toString("latin1").trimEnd().split("\n");
  }

  /** Of these paths, which are ignored by the rules of the work tree and of entries marked as left out of it. */
  async ignored(paths: readonly string[]): Promise<Set<string>> {
    if (paths.length === 0) return new Set();
    const { stdout } = await this.#shadow.git(["check-ignore", "-z", "--stdin"], {
      ...this.#options,
      // It takes no literal paths; behind `./` none is read as anything else.
      env: { ...this.#options.env, GIT_LITERAL_PATHSPECS: "0" },
      input: nulSeparated(paths.map((path) => `./${path}`)),
      accept: [1],
      // What the user ignores everywhere is no matter of the guest's.
      settings: ["core.excludesFile=/dev/null"],
    });
    return new Set(
      stdout
        .toString("latin1")
        .split("\0")
        .map((path) => path.slice("./".length)),
    );
  }

  /** The tree's id. */
  async tree(): Promise<string> {
    const missing = this.#shadow.repository.isPartial ? ["--missing-ok"] : [];
    const { stdout } = await this.#shadow.git(["write-tree", ...missing], this.#options);
    return stdout.toString("latin1").trim();
  }

  async #change(how: readonly string[], paths: readonly string[]): Promise<void> {
    if (paths.length === 0) return;
    await this.#shadow.git(["update-index", ...how, "-z", "--stdin"], {
      ...this.#options,
      input: nulSeparated(paths),
      settings: FAST,
    });
  }
}

/** What is lost in a crash of the host can be made again. */
const FAST = ["core.looseCompression=1", "core.fsync=none"];

const nulSeparated = (paths: readonly string[]) =>
  Buffer.from(paths.map((path) => `${path}\0`).join(""), "latin1");

/** git's order: bytes of the path, then stage. */
function byPath(a: IndexEntry, b: IndexEntry): number {
  if (a.path !== b.path) return a.path < b.path ? -1 : 1;
  return a.stage - b.stage;
}
