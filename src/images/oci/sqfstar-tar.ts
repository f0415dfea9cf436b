/**
 * Tar headers as sqfstar 4.5 reads them. Names stand in a pax record when they are long, but targets of links stand in GNU's
 * way: of a target in a pax record sqfstar drops what it begins with (`/`, `../`). Pure.
 */
import { largest, MAX_NAME, writeHeader } from "../../archive/header.ts";
import { MEMBER_TYPES } from "../../archive/member.ts";
import { padded, record } from "../../archive/pax.ts";
import type { LayerEntry } from "./layer-entry.ts";

const TYPE = Object.fromEntries(Object.entries(MEMBER_TYPES).map(([letter, type]) => [type, letter]));
const EMPTY = Buffer.alloc(0);

/** All that stands before an entry's content. */
export function sqfstarHeader(entry: LayerEntry): Buffer {
  const records: Buffer[] = [];
  if (entry.path.length > MAX_NAME) records.push(record("path", entry.path));
  for (const field of ["uid", "gid", "size"] as const) {
    if (entry[field] > largest(field)) records.push(record(field, String(entry[field])));
  }
  for (const [name, value] of Object.entries(entry.xattrs))
    records.push(record(`SCHILY.xattr.${name}`, value));
  const link = Buffer.from(entry.link, "latin1");
  return Buffer.concat([
    ...(records.length > 0 ? extension("x", Buffer.concat(records)) : []),
    ...(link.length > MAX_NAME ? extension("K", Buffer.concat([link, Buffer.alloc(1)])) : []),
    writeHeader({ ...entry, name: Buffer.from(entry.path, "latin1"), link, type: TYPE[entry.type] ?? "0" }),
  ]);
}

function extension(type: string, content: Buffer): Buffer[] {
  const { length: size } = content;
  const name = Buffer.from(type === "K" ? "././@LongLink" : "PaxHeaders/x");
  return [
    writeHeader({ name, link: EMPTY, type, mode: 0o644, uid: 0, gid: 0, size, mtime: 0 }),
    padded(content),
  ];
}
