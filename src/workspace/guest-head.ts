/** Where the guest's own repository stands: read from its files, all of it the guest's word. */
import { buffer } from "node:stream/consumers";
import { isTreePath, type ObjectFormat } from "../git/index-file.ts";
import type { Head } from "../git/repository.ts";
import { type GuestSession, readFile } from "../guest/index.ts";

const MAX_REF = 4096;
const MAX_PACKED_REFS = 64 * 1024 * 1024;

/** HEAD of the guest's checkout; both null when there is no repository (any more). */
export async function guestHead(
  session: GuestSession,
  guestPath: string,
  format: ObjectFormat,
  signal?: AbortSignal,
): Promise<Head> {
  const read = (name: string, limit: number) => readText(session, `${guestPath}/.git/${name}`, limit, signal);
  const head = (await read("HEAD", MAX_REF))?.trim() ?? "";
  const ref = /^ref: (refs\/heads\/.+)$/.exec(head)?.[1];
  if (ref === undefined) return { ref: null, commit: asId(head, format) };
  if (!isTreePath(ref)) return { ref: null, commit: null };
  const loose = asId((await read(ref, MAX_REF))?.trim() ?? "", format);
  if (loose) return { ref, commit: loose };
  const packed = (await read("packed-refs", MAX_PACKED_REFS))?.split("\n") ?? [];
  const line = packed.find((text) => text.endsWith(` ${ref}`));
  return { ref, commit: asId(line?.split(" ")[0] ?? "", format) };
}

async function readText(
  session: GuestSession,
  path: string,
  limit: number,
  signal?: AbortSignal,
): Promise<string | null> {
  const content = await readFile(session, path, { limit, signal }).catch(() => null);
  signal?.throwIfAborted();
  return content && (await buffer(content)).toString("utf8");
}

const DIGITS: Record<ObjectFormat, number> = { sha1: 40, sha256: 64 };

function asId(text: string, format: ObjectFormat): string | null {
  return text.length === DIGITS[format] && /^[0-9a-f]+$/.test(text) ? text : null;
}
