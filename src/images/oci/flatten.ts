/** From layers to one squashfs, as a stream: the tree is decided from names alone, then each file's content is passed on once. */
import { END, paddingAfter } from "../../archive/writer.ts";
import type { Folder, ImageTree, Leaf, Node } from "./image-tree.ts";
import { type LayerEntry, LayerError, type LayerEvent } from "./layer-entry.ts";
import { DigestError, type Layer, type LayerStore } from "./layer-store.ts";
import { sqfstarHeader } from "./sqfstar-tar.ts";

const PIECE = 1024 * 1024;
const ZEROS = Buffer.alloc(PIECE);
const MAX_PATH = 4096;
/** squashfs keeps owners in a table of 16 bit numbers. */
const MAX_IDS = 65_535;
const MAX_TIME = 0xffff_ffff;

/** A tree in the order of writing: what has no content first, then each layer's files as they stand in it. */
export interface Plan {
  readonly heads: readonly LayerEntry[];
  /** Per layer: from a file's place in it to the names it gets. */
  readonly files: ReadonlyMap<number, ReadonlyMap<number, readonly string[]>>;
  /** Bytes of all files. */
  readonly bytes: number;
}

const PLAIN_FOLDER = {
  type: "directory",
  mode: 0o755,
  uid: 0,
  gid: 0,
  size: 0,
  mtime: 0,
  link: "",
  xattrs: {},
} as const;

/** Pure. @throws LayerError for a tree that a squashfs cannot hold */
export function planImage(tree: ImageTree): Plan {
  const heads: LayerEntry[] = [];
  const links: LayerEntry[] = [];
  const named = new Map<Leaf, string[]>();
  const ids = new Set<number>();
  const todo: [path: string, node: Node][] = sorted("", tree.root);
  for (let next = todo.pop(); next; next = todo.pop()) {
    const [path, node] = next;
    if (path.length >= MAX_PATH)
      throw new LayerError(`its name has ${path.length} bytes (fewer than ${MAX_PATH} are possible)`, path);
    const entry = node.entry ?? { ...PLAIN_FOLDER, path };
    ids.add(entry.uid).add(entry.gid);
    if (ids.size > MAX_IDS) throw new LayerError(`the image has more than ${MAX_IDS} different owners`, path);
    if (node.kind === "folder") {
      heads.push(cleaned(entry, path));
      todo.push(...sorted(`${path}/`, node));
      continue;
    }
    const names = named.get(node);
    if (names) names.push(path);
    else named.set(node, [path]);
  }
  const files = new Map<number, Map<number, string[]>>();
  let bytes = 0;
  for (const [leaf, names] of named) {
    const [first = "", ...more] = names;
    if (leaf.entry.size > 0) {
      const layer = files.get(leaf.layer) ?? new Map<number, string[]>();
      files.set(leaf.layer, layer.set(leaf.ordinal, names));
      bytes += leaf.entry.size;
      continue;
    }
    heads.push(cleaned(leaf.entry, first));
    for (const name of more) links.push(hardLink(leaf.entry, name, first));
  }
  return { heads: [...heads, ...links], files, bytes };
}

/** Children in reverse order of their names: the last is taken first. */
function sorted(prefix: string, folder: Folder): [string, Node][] {
  return [...folder.children]
    .sort(([a], [b]) => (a < b ? 1 : -1))
    .map(([name, { node }]) => [prefix + name, node]);
}

function hardLink(entry: LayerEntry, path: string, link: string): LayerEntry {
  return { ...entry, type: "hardlink", path, link, size: 0, xattrs: {} };
}

function cleaned(entry: LayerEntry, path: string): LayerEntry {
  const xattrs = Object.fromEntries(Object.entries(entry.xattrs).filter(([name]) => isKept(name)));
  return { ...entry, path, mtime: Math.min(entry.mtime, MAX_TIME), xattrs };
}

/** squashfs knows these three spaces of names. What overlay mounts keep for themselves would be taken for the guest's own overlay. */
const isKept = (name: string) => /^(user|security|trusted)\.(?!overlay\.)./s.test(name);

/**
 * The tar of a planned tree.
 * @param layers those that the tree was made of, in order
 * @throws DigestError when a layer is not what it was | LayerError
 */
export async function* imageTar(
  plan: Plan,
  layers: readonly Layer[],
  store: LayerStore,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const pieces = new Pieces();
  for (const head of plan.heads) for (const piece of pieces.add(sqfstarHeader(head))) yield piece;
  for (const [at, layer] of layers.entries()) {
    const wanted = plan.files.get(at);
    if (!wanted) continue;
    const files = new LayerFiles(wanted, pieces);
    for await (const events of store.content(layer, signal))
      for (const piece of files.take(events)) yield piece;
    files.end();
  }
  for (const piece of pieces.add(END)) yield piece;
  for (const piece of pieces.flush()) yield piece;
}

/** Takes the files that are wanted out of a layer's content. */
class LayerFiles {
  readonly #wanted: ReadonlyMap<number, readonly string[]>;
  readonly #pieces: Pieces;
  #ordinal = 0;
  #found = 0;
  #file: { readonly entry: LayerEntry; readonly more: readonly string[]; left: number } | null = null;

  constructor(wanted: ReadonlyMap<number, readonly string[]>, pieces: Pieces) {
    this.#wanted = wanted;
    this.#pieces = pieces;
  }

  *take(events: readonly LayerEvent[]): Generator<Buffer> {
    const pieces = this.#pieces;
    for (const event of events) {
      if (event.kind === "entry") {
        const names = this.#wanted.get(this.#ordinal++);
        if (names) yield* this.#begin(event.entry, names);
        continue;
      }
      const file = this.#file;
      if (!file) continue;
      file.left -= event.kind === "data" ? event.bytes.length : event.count;
      if (event.kind === "data") yield* pieces.add(event.bytes);
      else yield* pieces.zeros(event.count);
      if (file.left > 0) continue;
      yield* pieces.zeros(paddingAfter(file.entry.size));
      for (const name of file.more)
        yield* pieces.add(sqfstarHeader(hardLink(file.entry, name, file.entry.path)));
      this.#file = null;
    }
  }

  *#begin(described: LayerEntry, [first = "", ...more]: readonly string[]): Generator<Buffer> {
    const entry = cleaned(described, first);
    if (this.#file || entry.size === 0) throw misfit();
    this.#file = { entry, more, left: entry.size };
    this.#found += 1;
    yield* this.#pieces.add(sqfstarHeader(entry));
  }

  /** @throws DigestError when not all of them were there */
  end(): void {
    if (this.#found !== this.#wanted.size) throw misfit();
  }
}

const misfit = () => new DigestError("its index does not fit its content");

/** Many small writes become few large ones, in two buffers by turns: `runFed` is done with the one when it asks for it again. */
class Pieces {
  readonly #buffers = [0, 1].map(() => Buffer.allocUnsafe(PIECE));
  #current = 0;
  #used = 0;

  *add(bytes: Buffer): Generator<Buffer> {
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.copy(this.#buffer, this.#used, at);
      this.#used += size;
      at += size;
      if (this.#used === PIECE) yield* this.flush();
    }
  }

  *zeros(count: number): Generator<Buffer> {
    for (let left = count; left > 0; left -= PIECE) yield* this.add(ZEROS.subarray(0, Math.min(left, PIECE)));
  }

  *flush(): Generator<Buffer> {
    if (this.#used === 0) return;
    yield this.#buffer.subarray(0, this.#used);
    this.#current = (this.#current + 1) % this.#buffers.length;
    this.#used = 0;
  }

  get #buffer(): Buffer {
    return this.#buffers[this.#current] as Buffer;
  }
}
