/** One entry of a layer, and how a layer's tar becomes a series of them. */
import type { Member, MemberType } from "../../archive/member.ts";
import { TarReader } from "../../archive/reader.ts";
import { BangerError, clean } from "../../core/errors.ts";

/**
 * One entry. Names are bytes, not text: each character of `path` and `link`, and of attributes, is one byte (latin1), so
 * that nothing is lost, names can be keys, and two are equal exactly when their bytes are.
 */
export interface LayerEntry {
  readonly path: string;
  readonly type: MemberType;
  /** Permission bits, 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of content; 0 for everything but a file. */
  readonly size: number;
  /** Seconds since the epoch; earlier ones count as 0. */
  readonly mtime: number;
  /** Target of a symlink or hard link, else empty. */
  readonly link: string;
  /** Extended attributes by full name. */
  readonly xattrs: Readonly<Record<string, string>>;
}

export type LayerEvent =
  | { readonly kind: "entry"; readonly entry: LayerEntry }
  /** Content of the entry before. */
  | { readonly kind: "data"; readonly bytes: Buffer }
  /** Content that is nothing but zeros: a hole of a sparse file. */
  | { readonly kind: "zeros"; readonly count: number };

/** A layer that is not accepted. `entry` is the path concerned, when one is known. */
export class LayerError extends Error {
  readonly entry: string | null;
  constructor(problem: string, entry: string | null = null) {
    super(problem);
    this.name = "LayerError";
    this.entry = entry;
  }
}

/** A name for people: what is no text in it is escaped. */
export const displayName = (bytes: string): string =>
  clean(Buffer.from(bytes, "latin1").toString("utf8"), 200);

/** Largest id that Linux gives; the next one means "none". */
const MAX_ID = 0xffff_fffe;
const MAX_TIME = 0xffff_ffff;

/**
 * The entries of a tar and their content, in order, as many at once as a chunk held: one at a time they would cost more than what is
 * done with them. What follows the archive's end is read and ignored.
 * @throws LayerError
 */
export async function* layerEvents(tar: AsyncIterable<Buffer>): AsyncGenerator<readonly LayerEvent[]> {
  let events: LayerEvent[] = [];
  let left = 0;
  let reached = 0;
  const zerosTo = (position: number) => {
    if (position > reached) events.push({ kind: "zeros", count: position - reached });
    reached = position;
  };
  const reader = new TarReader({
    begin(member) {
      events.push({ kind: "entry", entry: entryOf(member) });
      left = member.type === "file" ? member.size : 0;
      reached = 0;
    },
    data(bytes, position) {
      zerosTo(position);
      events.push({ kind: "data", bytes });
      reached += bytes.length;
    },
    end: () => zerosTo(left),
  });
  for await (const chunk of tar) {
    refusing(() => reader.push(chunk));
    yield events;
    events = [];
  }
  refusing(() => reader.finish());
}

/** The reader's refusals as those of a layer. */
function refusing(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (error instanceof BangerError && error.code === "archive_invalid") throw new LayerError(error.message);
    throw error;
  }
}

function entryOf({ name, type, link, mode, uid, gid, size, mtimeNs, xattrs }: Member): LayerEntry {
  const path = name.toString("latin1");
  for (const id of [uid, gid]) {
    if (id < 0 || id > MAX_ID) throw new LayerError(`its owner ${id} is not acceptable`, path);
  }
  if (path === "") throw new LayerError("an entry has no name");
  if ((type === "symlink" || type === "hardlink") && link.length === 0) {
    throw new LayerError("it is a link to nothing", path);
  }
  const seconds = Number(mtimeNs / 1_000_000_000n);
  return {
    path,
    type,
    mode,
    uid,
    gid,
    size,
    mtime: Math.min(Math.max(0, seconds), MAX_TIME),
    link: link.toString("latin1"),
    xattrs: Object.fromEntries([...(xattrs ?? [])].map(([key, value]) => [key, value.toString("latin1")])),
  };
}
