/** Folders beneath a root, opened one component at a time and never through a symlink. */
import { Folder } from "./folder.ts";
import type { Components } from "./member-path.ts";

const NEW_FOLDER = 0o755;

/** Remembers the folder used last: members of one folder come together. */
export class Beneath {
  readonly #root: Folder;
  #path: Components = [];
  #folder: Folder;

  constructor(root: string) {
    this.#root = Folder.open(root);
    this.#folder = this.#root;
  }

  /** The folder that `path`'s last component is in; what is missing on the way is made. Valid until the next call. */
  parent(path: Components): Folder {
    const wanted = path.slice(0, -1);
    if (same(wanted, this.#path)) return this.#folder;
    const below = this.#path.length > 0 && this.#path.every((part, i) => part === wanted[i]);
    const found = below
      ? descend(this.#folder, wanted.slice(this.#path.length), true)
      : this.open(wanted, true);
    if (this.#folder !== this.#root) this.#folder.close();
    this.#folder = found;
    this.#path = wanted;
    return found;
  }

  /** A folder of the caller's own. */
  open(path: Components, make = false): Folder {
    return descend(this.#root, path, make);
  }

  close(): void {
    if (this.#folder !== this.#root) this.#folder.close();
    this.#root.close();
  }
}

/** Never closes `from`; always opens anew. */
function descend(from: Folder, path: Components, make: boolean): Folder {
  let folder = from.enter(DOT);
  for (const part of path) {
    const above = folder;
    try {
      folder = enter(above, Buffer.from(part, "latin1"), make);
    } finally {
      above.close();
    }
  }
  return folder;
}

const DOT = Buffer.from(".");

function enter(folder: Folder, name: Buffer, make: boolean): Folder {
  const found = folder.look(name);
  if (found?.isSymbolicLink()) throw Object.assign(new Error("symbolic link"), { code: "ELOOP" });
  if (!found && make) folder.makeFolder(name, NEW_FOLDER);
  return folder.enter(name);
}

const same = (a: Components, b: Components) => a.length === b.length && a.every((part, i) => part === b[i]);
