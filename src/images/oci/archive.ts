/** A tar file of any compression, read member by member: what `docker save`, `podman save` and OCI tools write. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { decompressed, drain, unclosed } from "./decompress.ts";
import { type LayerEntry, type LayerEvent, layerEvents } from "./layer-entry.ts";
import { MAX_DOCUMENT } from "./manifest.ts";

/** All documents of an archive together; real ones have a few kilobytes each. */
const MAX_DOCUMENTS = 64 * 1024 * 1024;
const MAX_MEMBERS = 20_000;
const ZEROS = Buffer.alloc(64 * 1024);

/** One member of an archive of images. */
export interface ArchiveMember {
  readonly size: number;
  /** sha256 of its content, in hex. */
  readonly digest: string;
  /** Its content, when it is small enough to be a document. */
  readonly document: Buffer | null;
}

/** What an archive holds, read once. */
export interface Survey {
  /** sha256 of the file itself, in hex. */
  readonly digest: string;
  readonly size: number;
  /** Members by name, when it is an archive of images; else null: then it is a root filesystem. */
  readonly members: ReadonlyMap<string, ArchiveMember> | null;
}

/** Members that tell that an archive is one of images, and where its parts are. */
const MARKS = ["manifest.json", "oci-layout", "index.json"];
const PARTS =
  /^(blobs\/sha256\/[0-9a-f]{64}|[0-9a-f]{64}(\.json|\.tar|\/layer\.tar|\/json|\/VERSION)|repositories)$/;

interface OpenMember {
  readonly name: string;
  readonly size: number;
  readonly hash: Hash;
  readonly kept: Buffer[] | null;
}

/** Reads an archive to its end. @throws LayerError */
export async function surveyArchive(path: string, signal: AbortSignal): Promise<Survey> {
  const whole = createHash("sha256");
  let size = 0;
  async function* file(): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(path, { highWaterMark: 256 * 1024, signal })) {
      whole.update(chunk as Buffer);
      size += (chunk as Buffer).length;
      yield chunk as Buffer;
    }
  }
  const members = new Map<string, ArchiveMember>();
  const links = new Map<string, string>();
  let ours = true;
  let marked = false;
  let budget = MAX_DOCUMENTS;
  let current: OpenMember | undefined;
  const close = () => {
    if (!current) return;
    const { name, size: bytes, hash, kept } = current;
    members.set(name, { size: bytes, digest: hash.digest("hex"), document: kept && Buffer.concat(kept) });
    current = undefined;
  };
  const begin = (entry: LayerEntry) => {
    close();
    const name = entry.path.replace(/^(\.\/)+/, "");
    if (entry.type === "directory") return;
    if (!MARKS.includes(name) && !PARTS.test(name)) ours = false;
    if (!ours || members.size >= MAX_MEMBERS) return;
    marked ||= MARKS.includes(name);
    if (entry.type === "symlink") links.set(name, entry.link);
    if (entry.type !== "file") return;
    const document = entry.size <= Math.min(MAX_DOCUMENT, budget) && !name.endsWith(".tar");
    if (document) budget -= entry.size;
    current = { name, size: entry.size, hash: createHash("sha256"), kept: document ? [] : null };
  };
  const note = (event: LayerEvent) => {
    for (const bytes of current ? contentOf(event) : []) {
      current?.hash.update(bytes);
      current?.kept?.push(bytes);
    }
  };
  const source = file();
  for await (const events of layerEvents(decompressed(unclosed(source)))) {
    for (const event of events) {
      if (event.kind === "entry") begin(event.entry);
      else if (ours) note(event);
    }
  }
  close();
  await drain(source);
  for (const [name, link] of links) {
    // Old docker save writes a layer once and links to it.
    const target = members.get(link.replace(/^(\.\.?\/)+/, ""));
    if (target) members.set(name, target);
  }
  return { digest: whole.digest("hex"), size, members: ours && marked ? members : null };
}

/** The content of one member after the other: `visit` gets those it asks for, by digest, in the archive's order. */
export async function visitMembers(
  path: string,
  wanted: ReadonlyMap<string, string>,
  visit: (digest: string, content: AsyncGenerator<Buffer>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const source = createReadStream(path, { highWaterMark: 256 * 1024, signal });
  const events = oneByOne(layerEvents(decompressed(source)));
  let next = await events.next();
  async function* content(): AsyncGenerator<Buffer> {
    for (next = await events.next(); !next.done && next.value.kind !== "entry"; next = await events.next()) {
      yield* contentOf(next.value);
    }
  }
  while (!next.done) {
    const { value } = next;
    const digest = value.kind === "entry" ? wanted.get(value.entry.path.replace(/^(\.\/)+/, "")) : undefined;
    if (digest !== undefined) await visit(digest, content());
    // What the visitor did not want is passed over.
    if (digest === undefined || (!next.done && next.value === value)) next = await events.next();
  }
}

async function* oneByOne(batches: AsyncIterable<readonly LayerEvent[]>): AsyncGenerator<LayerEvent> {
  for await (const events of batches) yield* events;
}

function* contentOf(event: LayerEvent): Generator<Buffer> {
  if (event.kind === "data") yield event.bytes;
  else if (event.kind === "zeros") {
    for (let left = event.count; left > 0; left -= ZEROS.length)
      yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
  }
}
