/** Extended header records of POSIX.1-2001 (pax): `length key=value\n`, where length counts the whole record. Pure. */
import { TarError } from "./tar-entry.ts";

/** Reads the records of an extended header. Of equal keys the last one counts. @throws TarError */
export function parsePax(content: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(32, at);
    const digits = space < 0 || space - at > 10 ? "" : content.toString("latin1", at, space);
    const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = content.indexOf(61, space + 1);
    if (length < 5 || end > content.length || content[end - 1] !== 10 || equals < 0 || equals >= end - 1) {
      throw new TarError("an extended header is malformed");
    }
    records.set(
      content.toString("latin1", space + 1, equals),
      content.toString("latin1", equals + 1, end - 1),
    );
    at = end;
  }
  return records;
}

/** Writes records; keys and values are latin1 bytes. */
export function formatPax(records: Iterable<readonly [key: string, value: string]>): Buffer {
  return Buffer.from([...records].map(([key, value]) => paxRecord(key, value)).join(""), "latin1");
}

function paxRecord(key: string, value: string): string {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length += 1;
  return `${length} ${key}=${value}\n`;
}
