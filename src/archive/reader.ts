/**
 * Reads a tar archive (ustar, pax, GNU long names, base-256 numbers, sparse files in format 1.0) as it arrives. Memory
 * stays bounded whatever the archive says: at most one extended header of MAX_META and one block are held.
 */
import { isZero, type RawHeader, readHeader } from "./header.ts";
import { BLOCK, invalidArchive, MAX_META, MEMBER_TYPES, type Member, type Segment, shown } from "./member.ts";
import { count, type PaxRecords, readRecords, SparseMap, time } from "./pax.ts";

/** Gets the members one after the other. What it throws ends the reading. */
export interface MemberSink {
  begin(member: Member): void;
  /** Bytes of the member and where in the file they belong; `chunk` is only valid during the call. */
  data(chunk: Buffer, position: number): void;
  /** All of the member came. */
  end(): void;
}

type State = "header" | "meta" | "map" | "data" | "skip" | "zero" | "over";

const MAX_GLOBAL = 64;
const NONE: PaxRecords = new Map();
const EMPTY = Buffer.alloc(0);

/** Push it chunks, then `finish`. */
export class TarReader {
  readonly #sink: MemberSink;
  #state: State = "header";
  #block: Buffer = EMPTY;
  #left = 0;
  #padding = 0;
  #meta: { readonly type: string; readonly bytes: Buffer; filled: number } | null = null;
  #global: PaxRecords = NONE;
  #local: PaxRecords = NONE;
  #longName: Buffer | null = null;
  #longLink: Buffer | null = null;
  #member: Member | null = null;
  #map: { readonly collector: SparseMap; size: number } | null = null;
  #segments: Segment[] = [];
  #segment = 0;
  #position = 0;

  constructor(sink: MemberSink) {
    this.#sink = sink;
  }

  /** Takes the next bytes. @throws archive_invalid, and what the sink throws; nothing may be pushed afterwards */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.#state === "over") return; // GNU pads archives to records of 10 KiB
      if (this.#left > 0 && this.#state !== "map") at += this.#content(chunk.subarray(at));
      else if (this.#padding > 0 && this.#state !== "map") at += this.#pad(chunk.length - at);
      else at += this.#fillBlock(chunk, at);
    }
  }

  /** The archive has ended. @throws archive_invalid when it is not complete */
  finish(): void {
    const whole = this.#state === "over" || this.#state === "zero";
    if (whole && this.#block.length === 0) return;
    const last = this.#member ? ` in or after '${shown(this.#member.name)}'` : "";
    throw invalidArchive(`it ends too early${last}`);
  }

  /** A part of a member's data, of an extended header, or of what is skipped. */
  #content(rest: Buffer): number {
    if (this.#state !== "data") {
      const size = Math.min(this.#left, rest.length);
      if (this.#meta) this.#meta.filled += rest.copy(this.#meta.bytes, this.#meta.filled, 0, size);
      return this.#took(size);
    }
    const segment = this.#segments[this.#segment];
    const end = segment ? segment.offset + segment.size : this.#position + this.#left;
    const size = Math.min(this.#left, rest.length, end - this.#position);
    this.#sink.data(rest.subarray(0, size), this.#position);
    this.#position += size;
    if (segment && this.#position === end) this.#nextSegment();
    return this.#took(size);
  }

  #took(size: number): number {
    this.#left -= size;
    if (this.#left === 0 && this.#padding === 0) this.#endContent();
    return size;
  }

  #pad(available: number): number {
    const size = Math.min(this.#padding, available);
    this.#padding -= size;
    if (this.#padding === 0) this.#endContent();
    return size;
  }

  #endContent(): void {
    const ended = this.#state;
    this.#state = "header";
    if (ended === "data") this.#sink.end();
    else if (ended === "meta") this.#takeMeta();
  }

  #fillBlock(chunk: Buffer, at: number): number {
    const wanted = BLOCK - this.#block.length;
    const piece = chunk.subarray(at, at + wanted);
    if (piece.length === BLOCK) this.#takeBlock(piece);
    else {
      const block = Buffer.concat([this.#block, piece]);
      this.#block = block.length < BLOCK ? block : EMPTY;
      if (block.length === BLOCK) this.#takeBlock(block);
    }
    return piece.length;
  }

  #takeBlock(block: Buffer): void {
    if (this.#state === "map") this.#takeMap(block);
    else if (isZero(block)) this.#state = this.#state === "zero" ? "over" : "zero";
    else if (this.#state === "zero") throw invalidArchive("data behind the first of its two end blocks");
    else this.#takeHeader(readHeader(block));
  }

  #takeHeader(header: RawHeader): void {
    const { type, size } = header;
    if (/[xgLK]/.test(type)) {
      if (size > MAX_META) throw invalidArchive("an extended header of more than 1 MiB");
      this.#meta = { type, bytes: Buffer.alloc(size), filled: 0 };
      this.#expect("meta", size);
    } else if (/[VD]/.test(type)) {
      this.#expect("skip", size); // a volume's label, a directory's listing
      this.#forget();
    } else this.#beginMember(header);
  }

  #expect(state: State, size: number): void {
    this.#state = state;
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#endContent();
  }

  #takeMeta(): void {
    const { type, bytes } = this.#meta ?? { type: "", bytes: EMPTY };
    this.#meta = null;
    if (type === "x") this.#local = readRecords(bytes);
    else if (type === "g") this.#global = merge(this.#global, readRecords(bytes));
    else if (type === "L") this.#longName = untilNul(bytes);
    else this.#longLink = untilNul(bytes);
  }

  #beginMember(header: RawHeader): void {
    const raw = header.type === "7" ? "0" : header.type;
    const records = this.#global.size > 0 ? new Map([...this.#global, ...this.#local]) : this.#local;
    const sparseName = records.get("GNU.sparse.name");
    const name = sparseName ?? records.get("path") ?? this.#longName ?? header.name;
    const known = MEMBER_TYPES[raw as keyof typeof MEMBER_TYPES];
    if (!known)
      throw invalidArchive(`'${shown(name)}' is of the unknown type 0x${raw.charCodeAt(0).toString(16)}`);
    if (name.includes(0)) throw invalidArchive("a name with a NUL in it");
    // Archives from before ustar say "directory" with a slash at the end.
    const type = known === "file" && name.at(-1) === 0x2f ? "directory" : known;
    const stored = count(records, "size") ?? header.size;
    const sparse = sparseSize(records, name);
    const member: Member = {
      name,
      type,
      link:
        type === "hardlink" || type === "symlink"
          ? (records.get("linkpath") ?? this.#longLink ?? header.link)
          : EMPTY,
      mode: header.mode,
      uid: count(records, "uid") ?? header.uid,
      gid: count(records, "gid") ?? header.gid,
      size: type === "file" ? (sparse ?? stored) : 0,
      mtimeNs: time(records, "mtime") ?? BigInt(header.mtime) * 1_000_000_000n,
      segments: null,
      ...xattrsOf(records),
    };
    if (member.link.includes(0)) throw invalidArchive(`'${shown(name)}' points to a name with a NUL in it`);
    this.#forget();
    this.#member = member;
    if (type === "file" && sparse !== undefined) {
      if (stored < BLOCK) throw malformed(member);
      this.#map = { collector: new SparseMap(), size: 0 };
      this.#expect("map", stored);
    } else this.#open(member, stored);
  }

  /** Tells the sink. What is no file has no data, whatever size its header says. */
  #open(member: Member, stored: number): void {
    this.#member = member;
    this.#position = 0;
    this.#segments = (member.segments ?? []).filter((segment) => segment.size > 0);
    this.#segment = -1;
    this.#nextSegment();
    this.#sink.begin(member);
    if (member.type === "file") this.#expect("data", stored);
    else {
      this.#state = "header";
      this.#sink.end();
    }
  }

  #nextSegment(): void {
    this.#segment++;
    this.#position = this.#segments[this.#segment]?.offset ?? this.#position;
  }

  #takeMap(block: Buffer): void {
    const map = this.#map;
    const member = this.#member;
    if (!map || !member) throw new Error("a sparse map without its file");
    map.size += BLOCK;
    if (map.size > MAX_META || this.#left < BLOCK) throw malformed(member);
    this.#left -= BLOCK;
    const segments = map.collector.add(block);
    if (!segments) return;
    checkSegments(segments, member, this.#left);
    this.#map = null;
    this.#open({ ...member, segments }, this.#left);
  }

  #forget(): void {
    this.#local = NONE;
    this.#longName = null;
    this.#longLink = null;
  }
}

const XATTR = "SCHILY.xattr.";

function xattrsOf(records: PaxRecords): Pick<Member, "xattrs"> {
  const found = [...records].filter(([key]) => key.startsWith(XATTR) && key.length > XATTR.length);
  if (found.length === 0) return {};
  return { xattrs: new Map(found.map(([key, value]) => [key.slice(XATTR.length), value])) };
}

/** @throws archive_invalid for more records about all that follows than anybody writes */
function merge(global: PaxRecords, more: PaxRecords): PaxRecords {
  const merged = new Map([...global, ...more]);
  if (merged.size > MAX_GLOBAL) throw invalidArchive(`more than ${MAX_GLOBAL} global pax records`);
  return merged;
}

/** The size of a file that is stored with its holes left out. @throws archive_invalid for the older formats */
function sparseSize(records: PaxRecords, name: Buffer): number | undefined {
  const of = (key: string) => records.get(`GNU.sparse.${key}`)?.toString("latin1");
  if (of("major") === "1" && of("minor") === "0") return count(records, "GNU.sparse.realsize");
  if ([...records.keys()].some((key) => key.startsWith("GNU.sparse.")))
    throw invalidArchive(
      `'${shown(name)}' is a sparse file in an old format; tar --sparse-version=1.0 makes the known one`,
    );
  return undefined;
}

/** In order, apart, inside the file, and as many bytes as are stored. @throws archive_invalid */
function checkSegments(segments: readonly Segment[], member: Member, stored: number): void {
  let end = 0;
  let total = 0;
  for (const { offset, size } of segments) {
    if (offset < end || offset + size > member.size) throw malformed(member);
    end = offset + size;
    total += size;
  }
  if (total !== stored) throw malformed(member);
}

const malformed = (member: Member) => invalidArchive(`'${shown(member.name)}' has a malformed sparse map`);

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
