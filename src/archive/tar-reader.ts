/**
 * Reads tar archives (ustar, pax, GNU long names) from a hostile source as a stream. Memory is bounded by the limits
 * whatever the archive says; content is passed on as it comes.
 */

import { BLOCK, paddingOf, type TarEntry, TarError, type TarType } from "./tar-entry.ts";
import { isZeroBlock, MAX_ID, parseHeader, type TarHeader } from "./tar-header.ts";
import { parsePax } from "./tar-pax.ts";

export type TarEvent =
  | { readonly kind: "entry"; readonly entry: TarEntry }
  /** Content of the entry before. */
  | { readonly kind: "data"; readonly bytes: Buffer };

/** Linux's own limits of a path and of a name in it. */
const MAX_PATH = 4096;
/** Of one extended header or long name. Extended attributes take at most 64 KiB each. */
const MAX_EXTENDED = 1024 * 1024;

const TYPES: Readonly<Record<string, TarType>> = {
  "0": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file",
};
/** Headers that say something about the next member, or about none. */
const EXTENSIONS = ["x", "g", "L", "K", "V"];

/** The members of an archive and their content, in order. What follows the end of the archive is read and ignored. @throws TarError */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEvent> {
  const parser = new TarParser();
  for await (const chunk of source) yield* parser.push(chunk);
  parser.end();
}

/** The same for those who have the chunks at hand: `push` each, then `end`. */
export class TarParser {
  #state: "header" | "extension" | "content" | "padding" | "ended" = "header";
  /** Bytes of the state that are still to come. */
  #left = BLOCK;
  #padding = 0;
  #pieces: Buffer[] = [];
  #flag = "";
  #zeroBlocks = 0;
  #records = new Map<string, string>();
  #longPath: string | null = null;
  #longLink: string | null = null;

  /** @throws TarError */
  *push(chunk: Buffer): Generator<TarEvent> {
    let rest = chunk;
    while (rest.length > 0 && this.#state !== "ended") {
      const part = rest.length <= this.#left ? rest : rest.subarray(0, this.#left);
      rest = rest.subarray(part.length);
      this.#left -= part.length;
      if (this.#state === "content") yield { kind: "data", bytes: part };
      else if (this.#state !== "padding") this.#pieces.push(part);
      if (this.#left > 0) continue;
      const entry = this.#complete();
      if (entry) yield { kind: "entry", entry };
    }
  }

  /** Tells that nothing more comes. @throws TarError when the archive was cut off */
  end(): void {
    const atStart = this.#state === "header" && this.#pieces.length === 0 && this.#records.size === 0;
    // Padding after the last member is left out by some writers.
    if (!atStart && this.#state !== "ended" && this.#state !== "padding") {
      throw new TarError("the archive is cut off");
    }
  }

  #complete(): TarEntry | null {
    switch (this.#state) {
      case "header":
        return this.#header(this.#collected());
      case "extension":
        this.#extension(this.#collected());
        this.#enter("padding", this.#padding);
        return null;
      case "content":
        this.#enter("padding", this.#padding);
        return null;
      default:
        this.#enter("header", BLOCK);
        return null;
    }
  }

  #enter(state: "header" | "extension" | "content" | "padding", size: number): void {
    if (size > 0) [this.#state, this.#left] = [state, size];
    else if (state === "padding") [this.#state, this.#left] = ["header", BLOCK];
    else this.#enter("padding", this.#padding);
  }

  #collected(): Buffer {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0] : Buffer.concat(this.#pieces);
    this.#pieces = [];
    return bytes ?? Buffer.alloc(0);
  }

  #header(block: Buffer): TarEntry | null {
    this.#left = BLOCK;
    if (isZeroBlock(block)) {
      if (++this.#zeroBlocks === 2) this.#state = "ended";
      return null;
    }
    if (this.#zeroBlocks > 0) throw new TarError("something stands after the first half of its end mark");
    const header = parseHeader(block);
    if (!EXTENSIONS.includes(header.flag)) return this.#member(header);
    if (header.size > MAX_EXTENDED) {
      throw new TarError(`an extended header has ${header.size} bytes (at most ${MAX_EXTENDED})`);
    }
    this.#flag = header.flag;
    this.#padding = paddingOf(header.size);
    this.#enter("extension", header.size);
    return null;
  }

  #extension(content: Buffer): void {
    const name = () => content.toString("latin1").split("\0", 1)[0] ?? "";
    if (this.#flag === "x") this.#records = parsePax(content);
    else if (this.#flag === "L") this.#longPath = name();
    else if (this.#flag === "K") this.#longLink = name();
  }

  #member(header: TarHeader): TarEntry {
    const records = this.#records;
    const path = records.get("path") || (this.#longPath ?? header.path);
    const link = records.get("linkpath") || (this.#longLink ?? header.link);
    this.#records = new Map();
    this.#longPath = this.#longLink = null;
    checkName(path, "name", path);
    if ([...records.keys()].some((key) => key.startsWith("GNU.sparse.")) || header.flag === "S") {
      throw new TarError("it is stored as a sparse file (archive it without --sparse)", path);
    }
    const known = TYPES[header.flag];
    if (known === undefined) throw new TarError(`it has the unknown type '${header.flag}'`, path);
    const type = known === "file" && path.endsWith("/") ? "directory" : known;
    if (type === "symlink" || type === "hardlink") checkName(link, "link target", path);
    // As Go's archive/tar, which made nearly every layer there is: only files have content, whatever the size says.
    const size = type === "file" ? (numberOf(records, "size", path) ?? header.size) : 0;
    this.#padding = paddingOf(size);
    this.#enter("content", size);
    return {
      path,
      type,
      mode: header.mode,
      uid: idOf(records, "uid", path) ?? header.uid,
      gid: idOf(records, "gid", path) ?? header.gid,
      size,
      mtime: timeOf(records, path) ?? header.mtime,
      link: type === "symlink" || type === "hardlink" ? link : "",
      xattrs: xattrsOf(records),
    };
  }
}

function checkName(value: string, what: string, entry: string): void {
  const problem =
    value === ""
      ? "is empty"
      : value.includes("\0")
        ? "contains a NUL byte"
        : value.length >= MAX_PATH
          ? `has ${value.length} bytes (fewer than ${MAX_PATH} are possible)`
          : null;
  if (problem) throw new TarError(`its ${what} ${problem}`, entry.slice(0, 256));
}

function numberOf(records: ReadonlyMap<string, string>, key: string, entry: string): number | null {
  const text = records.get(key);
  if (text === undefined || text === "") return null;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new TarError(`its ${key} is not acceptable`, entry);
  return value;
}

function idOf(records: ReadonlyMap<string, string>, key: "uid" | "gid", entry: string): number | null {
  const id = numberOf(records, key, entry);
  if (id !== null && id > MAX_ID) throw new TarError(`its ${key} is not acceptable`, entry);
  return id;
}

function timeOf(records: ReadonlyMap<string, string>, entry: string): number | null {
  const text = records.get("mtime");
  if (text === undefined || text === "") return null;
  if (!/^-?\d{1,15}(\.\d*)?$/.test(text)) throw new TarError("its mtime is not acceptable", entry);
  return Math.max(0, Math.floor(Number(text)));
}

const SCHILY = "SCHILY.xattr.";

function xattrsOf(records: ReadonlyMap<string, string>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [key, value] of records) {
    if (key.startsWith(SCHILY)) found[key.slice(SCHILY.length)] = value;
  }
  return found;
}
