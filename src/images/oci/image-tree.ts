/**
 * The file tree that an image's layers make together, as plain data: entries of each layer are applied in order, lowest
 * first, whiteouts included. Nothing is ever written to a disk, so a hostile name can only harm the model, and the model
 * resolves every name inside the image's own root, the way a container would. What cannot be meant honestly is refused.
 */
import { displayName, type LayerEntry, LayerError } from "./layer-entry.ts";

/** A file, symlink or fifo; hard links share one. `layer` and `ordinal` tell where its content stands. */
export interface Leaf {
  readonly kind: "leaf";
  readonly entry: LayerEntry;
  readonly layer: number;
  readonly ordinal: number;
}

export interface Folder {
  readonly kind: "folder";
  /** Null for one that no layer describes: it came with what is in it. */
  entry: LayerEntry | null;
  readonly children: Map<string, Child>;
}

export type Node = Leaf | Folder;
interface Child {
  node: Node;
  /** The layer that put it here. */
  layer: number;
}

export interface TreeLimits {
  /** Names in the image. Each takes some hundred bytes of memory. */
  readonly entries: number;
  /** Bytes of all files. */
  readonly bytes: number;
}

export const TREE_LIMITS: TreeLimits = { entries: 1_000_000, bytes: 128 * 1024 ** 3 };

const MAX_NAME = 255;
/** As the kernel's (ELOOP). */
const MAX_SYMLINKS = 40;
const WHITEOUT = ".wh.";
const OPAQUE = ".wh..wh..opq";
/** Bookkeeping of aufs, which old builders left in layers. */
const AUFS = ".wh..wh.";

export class ImageTree {
  readonly root: Folder = { kind: "folder", entry: null, children: new Map() };
  readonly #limits: TreeLimits;
  #layer = 0;
  #ordinal = 0;
  #entries = 0;
  #bytes = 0;

  constructor(limits: TreeLimits = TREE_LIMITS) {
    this.#limits = limits;
  }

  /** What follows belongs to layer `layer`. */
  beginLayer(layer: number): void {
    this.#layer = layer;
    this.#ordinal = 0;
  }

  /** Applies the next entry of the layer. @throws LayerError */
  apply(entry: LayerEntry): void {
    const ordinal = this.#ordinal++;
    this.#count(entry);
    const names = namesOf(entry.path, entry.path);
    const name = names.pop();
    if (name === undefined) {
      if (entry.type !== "directory") throw new LayerError("it would replace the root folder", entry.path);
      this.root.entry = entry;
      return;
    }
    if (name === OPAQUE) this.#hideAll(names, entry);
    else if (name.startsWith(AUFS) || names.some((part) => part.startsWith(AUFS))) return;
    else if (name.startsWith(WHITEOUT)) this.#hide(names, name.slice(WHITEOUT.length), entry);
    else this.#put(this.#folder(names, entry), name, entry, ordinal);
  }

  /** The node at a path inside the image, symlinks followed; null when there is none. */
  find(path: string): Node | null {
    try {
      return this.#walk(path.split("/").filter(isName), path, false);
    } catch {
      return null;
    }
  }

  /** Makes a folder (and those above it) where nothing is. */
  ensureFolder(path: string): void {
    if (this.find(path) === null) this.#walk(path.split("/").filter(isName), path, true);
  }

  #count({ path, size }: LayerEntry): void {
    this.#entries += 1;
    this.#bytes += size;
    if (this.#entries > this.#limits.entries) {
      throw new LayerError(`the image has more than ${this.#limits.entries} entries`, path);
    }
    if (this.#bytes > this.#limits.bytes) {
      throw new LayerError(`the image's files have more than ${this.#limits.bytes} bytes together`, path);
    }
  }

  #put(folder: Folder, name: string, entry: LayerEntry, ordinal: number): void {
    const here = folder.children.get(name);
    const before = here?.node;
    if (here && before && here.layer === this.#layer) checkSameType(before, entry);
    if (entry.type === "directory") {
      if (before?.kind === "folder") {
        before.entry = entry;
        folder.children.set(name, { node: before, layer: this.#layer });
        return;
      }
      this.#set(folder, name, { kind: "folder", entry, children: new Map() });
    } else if (entry.type === "hardlink") {
      this.#set(folder, name, this.#linked(entry));
    } else if (entry.type === "char" || entry.type === "block") {
      // The guest has a /dev of its own; what was here in a lower layer is gone all the same.
      folder.children.delete(name);
    } else {
      this.#set(folder, name, { kind: "leaf", entry, layer: this.#layer, ordinal });
    }
  }

  #set(folder: Folder, name: string, node: Node): void {
    folder.children.set(name, { node, layer: this.#layer });
  }

  /** What a hard link names. Only the path to it may go over symlinks: the link's own target is meant itself. */
  #linked(entry: LayerEntry): Leaf {
    const names = namesOf(entry.link, entry.path);
    const name = names.pop();
    const folder = name === undefined ? null : this.#walk(names, entry.path, false);
    const target =
      folder?.kind === "folder" && name !== undefined ? folder.children.get(name)?.node : undefined;
    if (target?.kind === "leaf") return target;
    const problem = target ? "a folder" : "nothing that is in the image";
    throw new LayerError(`it is a hard link to ${problem}: '${displayName(entry.link)}'`, entry.path);
  }

  #hide(names: readonly string[], name: string, entry: LayerEntry): void {
    if (!isName(name) || name === "..")
      throw new LayerError("it hides nothing that has a name of its own", entry.path);
    const folder = this.#lower(names, entry);
    const child = folder?.children.get(name);
    if (folder && child) this.#dropLower(folder, name, child);
  }

  #hideAll(names: readonly string[], entry: LayerEntry): void {
    const folder = this.#lower(names, entry);
    for (const [name, child] of folder?.children ?? []) {
      if (folder) this.#dropLower(folder, name, child);
    }
  }

  /** The folder in which something is hidden; null when lower layers have none. */
  #lower(names: readonly string[], entry: LayerEntry): Folder | null {
    const node = this.#walk(names, entry.path, false);
    return node?.kind === "folder" ? node : null;
  }

  /** Whiteouts hide lower layers only, wherever in the layer they stand. */
  #dropLower(folder: Folder, name: string, child: Child): void {
    if (child.layer < this.#layer) {
      folder.children.delete(name);
    } else if (child.node.kind === "folder") {
      for (const [below, grandchild] of child.node.children) this.#dropLower(child.node, below, grandchild);
    }
  }

  #folder(names: readonly string[], entry: LayerEntry): Folder {
    const node = this.#walk(names, entry.path, true);
    if (node?.kind !== "folder")
      throw new LayerError("it stands below something that is no folder", entry.path);
    return node;
  }

  /**
   * Goes down from the root, following symlinks inside it (`..` ends at the root). With `make`, missing folders are made
   * and anything else in the way is refused; without, the answer is then null.
   */
  #walk(names: readonly string[], path: string, make: boolean): Node | null {
    const trail: Folder[] = [this.root];
    const todo = [...names].reverse();
    let symlinks = 0;
    let last: Node = this.root;
    for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
      const folder: Node = last;
      if (folder.kind !== "folder") {
        if (make) throw new LayerError("it stands below something that is no folder", path);
        return null;
      }
      if (name === "..") {
        if (trail.length > 1) trail.pop();
        last = trail.at(-1) ?? this.root;
        continue;
      }
      let child: Child | undefined = folder.children.get(name);
      if (!child) {
        if (!make) return null;
        checkLength(name, path);
        if (name.startsWith(WHITEOUT)) throw new LayerError("it stands below a whiteout", path);
        if (++this.#entries > this.#limits.entries) {
          throw new LayerError(`the image has more than ${this.#limits.entries} entries`, path);
        }
        child = { node: { kind: "folder", entry: null, children: new Map() }, layer: this.#layer };
        folder.children.set(name, child);
      } else if (make) {
        // Something of this layer is below, so a whiteout in this layer no longer means it.
        child.layer = child.node.kind === "folder" ? this.#layer : child.layer;
      }
      const node: Node = child.node;
      if (node.kind === "leaf" && node.entry.type === "symlink") {
        if (++symlinks > MAX_SYMLINKS)
          throw new LayerError("it stands behind symlinks that go in a circle", path);
        const target = node.entry.link;
        if (target.startsWith("/")) trail.length = 1;
        last = trail.at(-1) ?? this.root;
        todo.push(...target.split("/").filter(isName).reverse());
        continue;
      }
      if (node.kind === "folder") trail.push(node);
      last = node;
    }
    return last;
  }
}

const isName = (name: string) => name !== "" && name !== ".";

/**
 * The names of a path. A leading slash means the image's root, as for other tools (builders of Go programs write such
 * layers); `..` is never meant honestly.
 */
function namesOf(path: string, entry: string): string[] {
  const names = path.split("/").filter(isName);
  for (const name of names) {
    if (name === "..")
      throw new LayerError(`it contains '..'${path === entry ? "" : " in its link target"}`, entry);
    checkLength(name, entry);
  }
  return names;
}

function checkLength(name: string, entry: string): void {
  if (name.length > MAX_NAME)
    throw new LayerError(`a name in it has ${name.length} bytes (at most ${MAX_NAME})`, entry);
}

/** Within one layer a name may be written twice, but as the same kind of thing: else two readers see two images. */
function checkSameType(before: Node, entry: LayerEntry): void {
  const was = before.kind === "folder" ? "directory" : before.entry.type;
  const is = entry.type === "hardlink" ? "file" : entry.type;
  if (was === is || (before.kind === "leaf" && entry.type === "hardlink")) return;
  throw new LayerError(`the same layer has it as ${was} and as ${entry.type}`, entry.path);
}
