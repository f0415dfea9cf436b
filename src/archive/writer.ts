/** Headers of members: ustar, with pax records for what does not fit into it. */
import { isUtf8 } from "node:buffer";
import { largest, MAX_NAME, writeHeader } from "./header.ts";
import { BLOCK, MEMBER_TYPES, type Member } from "./member.ts";
import { padded, record, sparseMapText, timeText } from "./pax.ts";

const TYPE = Object.fromEntries(Object.entries(MEMBER_TYPES).map(([letter, type]) => [type, letter]));
const SECOND = 1_000_000_000n;
const EMPTY = Buffer.alloc(0);

/** What stands in front of a member's data: its headers, and the map of a sparse file. */
export function memberHeader(member: Member): Buffer {
  const map = member.segments ? sparseMapText(member.segments) : EMPTY;
  const size = map.length + storedSize(member);
  const records = recordsFor(member, size);
  const header = writeHeader({
    ...member,
    type: TYPE[member.type] ?? "0",
    size,
    mtime: Number(member.mtimeNs / SECOND),
  });
  if (records.length === 0) return Buffer.concat([header, map]);
  const pax = Buffer.concat(records);
  const extended = writeHeader({
    name: Buffer.from("PaxHeaders/x"),
    link: EMPTY,
    type: "x",
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: pax.length,
    mtime: 0,
  });
  return Buffer.concat([extended, padded(pax), header, map]);
}

/** How many bytes of data follow the header. */
export function storedSize({ segments, size }: Pick<Member, "segments" | "size">): number {
  return segments ? segments.reduce((sum, segment) => sum + segment.size, 0) : size;
}

/** Zeros between data of that size and the next header. */
export function paddingAfter(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

/** The end of an archive. */
export const END = Buffer.alloc(2 * BLOCK);

function recordsFor(member: Member, size: number): Buffer[] {
  const { name, link, uid, gid, mtimeNs, segments } = member;
  const records: Buffer[] = [];
  if (!isUtf8(name) || !isUtf8(link)) records.push(record("hdrcharset", "BINARY"));
  if (segments) {
    records.push(record("GNU.sparse.major", "1"), record("GNU.sparse.minor", "0"));
    records.push(record("GNU.sparse.name", name), record("GNU.sparse.realsize", String(member.size)));
  }
  if (!fits(name)) records.push(record("path", name));
  if (!fits(link)) records.push(record("linkpath", link));
  if (size > largest("size")) records.push(record("size", String(size)));
  if (uid > largest("uid")) records.push(record("uid", String(uid)));
  if (gid > largest("gid")) records.push(record("gid", String(gid)));
  if (mtimeNs % SECOND !== 0n || mtimeNs < 0n || mtimeNs / SECOND > BigInt(largest("mtime")))
    records.push(record("mtime", timeText(mtimeNs)));
  return records;
}

/** Short, and ASCII: what other bytes in a header mean is not said anywhere. */
function fits(name: Buffer): boolean {
  return name.length <= MAX_NAME && name.every((byte) => byte < 0x80);
}
