/** A saved memory is as large as the machine's: Firecracker writes all of it, also what is zero. */
import { closeSync, openSync, statSync, truncateSync, writeSync } from "node:fs";

const ZEROS = Buffer.alloc(1024 * 1024);

/** @param dense else what is added is a hole, for guests whose memory nobody looks at */
export function fillUp(path: string, bytes: number, dense: boolean): void {
  if (!dense) {
    truncateSync(path, bytes);
    return;
  }
  const file = openSync(path, "r+");
  for (let at = statSync(path).size; at < bytes; )
    at += writeSync(file, ZEROS, 0, Math.min(ZEROS.length, bytes - at), at);
  closeSync(file);
}
