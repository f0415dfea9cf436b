/**
 * Writes tar headers: ustar, with extended headers before it for what ustar cannot hold. Long link targets go the GNU way:
 * sqfstar 4.5 drops leading `../` and `/` of a symlink's target in a pax record. Pure.
 */

import { BLOCK, paddingOf, type TarEntry, type TarType } from "./tar-entry.ts";
import { formatPax } from "./tar-pax.ts";

const FLAGS: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
const MAX_OCTAL_ID = 0o7777777;
const MAX_OCTAL_SIZE = 0o77777777777;

/** The two zero blocks at the end of every archive. */
export const END_OF_TAR = Buffer.alloc(2 * BLOCK);

/** All that stands before a member's content. */
export function tarHeader(entry: TarEntry): Buffer {
  const records: [string, string][] = [];
  if (entry.path.length > 100) records.push(["path", entry.path]);
  if (entry.uid > MAX_OCTAL_ID) records.push(["uid", String(entry.uid)]);
  if (entry.gid > MAX_OCTAL_ID) records.push(["gid", String(entry.gid)]);
  if (entry.size > MAX_OCTAL_SIZE) records.push(["size", String(entry.size)]);
  for (const [name, value] of Object.entries(entry.xattrs)) records.push([`SCHILY.xattr.${name}`, value]);
  return Buffer.concat([
    ...(records.length > 0 ? extension("x", "pax", formatPax(records)) : []),
    ...(entry.link.length > 100
      ? extension("K", "././@LongLink", Buffer.from(`${entry.link}\0`, "latin1"))
      : []),
    header(FLAGS[entry.type], entry),
  ]);
}

function extension(flag: string, path: string, content: Buffer): Buffer[] {
  const size = content.length;
  const entry = { path, size, mode: 0o644, uid: 0, gid: 0, mtime: 0, link: "" };
  return [header(flag, entry), content, Buffer.alloc(paddingOf(size))];
}

function header(flag: string, entry: Omit<TarEntry, "type" | "xattrs">): Buffer {
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number, max: number) =>
    block.write((value > max ? 0 : value).toString(8).padStart(length - 1, "0"), at, "latin1");
  block.write(entry.path.slice(0, 100), 0, "latin1");
  octal(entry.mode, 100, 8, 0o7777);
  octal(entry.uid, 108, 8, MAX_OCTAL_ID);
  octal(entry.gid, 116, 8, MAX_OCTAL_ID);
  octal(entry.size, 124, 12, MAX_OCTAL_SIZE);
  octal(entry.mtime, 136, 12, MAX_OCTAL_SIZE);
  block.write("        ", 148, "latin1");
  block.write(flag, 156, "latin1");
  block.write(entry.link.slice(0, 100), 157, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  block.write(
    `${block
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
    "latin1",
  );
  return block;
}
