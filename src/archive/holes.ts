/** Where a file has data and where only zeros. */
import { type BigIntStats, readSync } from "node:fs";
import type { Segment } from "./member.ts";

/** Zeros are left out in units of this size, that of a file system's block. */
const UNIT = 4096;
/** A file in more parts than this is stored as it is from there on: its map would be large. */
const MAX_SEGMENTS = 16_384;
/** Smaller files are not worth a map. */
const MIN_SIZE = 64 * 1024;
const BLOCK_SIZE = 512n;
const ZEROS = Buffer.alloc(UNIT);

/** True for a file that takes less disk than it has bytes. */
export function isSparse({ blocks, size }: BigIntStats): boolean {
  return size >= MIN_SIZE && blocks * BLOCK_SIZE < size;
}

/**
 * The parts of an open file that are not zeros. Node has no way to ask the file system (SEEK_HOLE), so the file is read;
 * reading a hole costs no disk.
 */
export function findSegments(fd: number, size: number, buffer: Buffer): Segment[] {
  const segments: Segment[] = [];
  let start = -1;
  const close = (end: number) => {
    if (start >= 0) segments.push({ offset: start, size: end - start });
    start = -1;
  };
  for (let at = 0; at < size; ) {
    const got = readSync(fd, buffer, 0, Math.min(buffer.length, size - at), at);
    if (got === 0) break;
    for (let i = 0; i < got; i += UNIT) {
      const unit = buffer.subarray(i, Math.min(i + UNIT, got));
      const zero =
        segments.length < MAX_SEGMENTS &&
        unit.equals(unit.length === UNIT ? ZEROS : ZEROS.subarray(0, unit.length));
      if (zero) close(at + i);
      else if (start < 0) start = at + i;
    }
    at += got;
  }
  close(size);
  const last = segments.at(-1);
  // A hole at the end is told by an empty part behind it: GNU tar takes the file's size from there.
  if (!last || last.offset + last.size < size) segments.push({ offset: size, size: 0 });
  return segments;
}
