/**
 * A snapshot as one file, `tar.zst`: manifest.json first, then the files that it names, holes left out. One that comes in is not to
 * be trusted: exactly these names, plain files alone, and every byte is looked at before anything is listed.
 */
import { createReadStream, createWriteStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress, createZstdDecompress } from "node:zlib";
import { invalidArchive, type Member, type Segment, shown } from "../archive/member.ts";
import { Unpacker } from "../archive/unpack.ts";
import { END, memberHeader, paddingAfter, storedSize } from "../archive/writer.ts";
import { BangerError } from "../core/errors.ts";
import type { Work } from "../core/stage.ts";
import { dataExtents, widened } from "../disk/extents.ts";
import { publishFile, requireAbsent } from "../host/files.ts";
import { FILE_NAME, isComplete, Manifest } from "./manifest.ts";
import { MANIFEST_FILE } from "./store.ts";

const PIECE = 1024 * 1024;
/** Of a sparse file's map; what the reader takes is bounded, too. */
const MAX_SEGMENTS = 16_384;
const BLOCK = 4096;
/** Of zstd's window: as much as the program `zstd` itself uses by default at its fast levels. */
const MAX_WINDOW_LOG = 23;
const MAX_MANIFEST = 64 * 1024;
/** Of one file, as large as a disk can be. */
const MAX_FILE = 2 ** 50;

/** Writes a snapshot to a file that does not exist yet. @throws invalid_argument | host_file_failed | operation_cancelled; nothing is left then */
export async function exportSnapshot(
  manifest: Manifest,
  folder: string,
  target: string,
  work: Work,
): Promise<void> {
  await requireAbsent(target, "file");
  work.report.stage("exporting", manifest.name);
  try {
    await publishFile(target, (temporary) =>
      pipeline(
        Readable.from(members(manifest, folder, work), { objectMode: false, highWaterMark: PIECE }),
        createZstdCompress({ params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
        createWriteStream(temporary, { flags: "wx", mode: 0o600 }),
        { signal: work.signal },
      ),
    );
  } catch (error) {
    work.signal.throwIfAborted();
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    const reason = (error as Error).message;
    throw BangerError.of("host_file_failed", { path: target, reason }, { cause: error });
  }
}

async function* members(
  manifest: Manifest,
  folder: string,
  { report, signal }: Work,
): AsyncGenerator<Buffer> {
  let done = 0;
  for (const name of [MANIFEST_FILE, ...manifest.files.map((file) => file.name)]) {
    const path = join(folder, name);
    const { size } = await stat(path);
    const segments = await segmentsOf(path, size, signal);
    yield memberHeader({ name: Buffer.from(name), size, segments, ...PLAIN });
    for (const segment of segments ?? [{ offset: 0, size }]) {
      if (segment.size === 0) continue;
      const end = segment.offset + segment.size - 1;
      for await (const chunk of createReadStream(path, {
        start: segment.offset,
        end,
        highWaterMark: PIECE,
      })) {
        done += (chunk as Buffer).length;
        report.progress({ done, unit: "bytes" });
        yield chunk as Buffer;
      }
    }
    yield Buffer.alloc(paddingAfter(storedSize({ segments, size })));
  }
  yield END;
}

const PLAIN = { type: "file", link: Buffer.alloc(0), mode: 0o600, uid: 0, gid: 0, mtimeNs: 0n } as const;

/** The parts that hold data; with very many of them, those that lie close together count as one. */
async function segmentsOf(
  path: string,
  size: number,
  signal: AbortSignal,
): Promise<readonly Segment[] | null> {
  const extents = await dataExtents(path, signal);
  let segments: Segment[] = widened(extents, BLOCK, 0, size);
  for (let gap = BLOCK; segments.length > MAX_SEGMENTS; gap *= 2)
    segments = widened(extents, BLOCK, gap, size);
  const [only] = segments;
  if (only && only.offset === 0 && only.size === size) return null;
  const last = segments.at(-1);
  // A hole at the end is told by an empty part behind it: GNU tar takes the file's size from there.
  return last && last.offset + last.size === size ? segments : [...segments, { offset: size, size: 0 }];
}

/**
 * Unpacks an archive into an empty folder and looks at its manifest; the files' checksums are the caller's to verify.
 * @throws archive_invalid | no_space | host_file_failed; what was written is the caller's to remove
 */
export async function unpackSnapshot(file: string, folder: string, work: Work): Promise<Manifest> {
  const seen = new Set<string>();
  const unpacker = new Unpacker(folder, { onMember: (member) => checkMember(member, seen) });
  let whole = false;
  try {
    const total = (await stat(file)).size;
    const source = createReadStream(file, { highWaterMark: PIECE });
    let done = 0;
    source.on("data", (chunk) => {
      done += chunk.length;
      work.report.progress({ done, total, unit: "bytes" });
    });
    const params = { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG };
    await pipeline(
      source,
      createZstdDecompress({ params, chunkSize: PIECE }),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) unpacker.push(chunk);
      },
      { signal: work.signal },
    );
    unpacker.finish();
    whole = true;
  } catch (error) {
    work.signal.throwIfAborted();
    if (error instanceof BangerError) throw error;
    const { code = "", message } = error as NodeJS.ErrnoException;
    if (/^(Z_|ZSTD_|ERR_ZSTD)/.test(code))
      throw invalidArchive("it is no zstd file, or it is damaged or cut off");
    if (code === "EISDIR" || code === "ENOENT" || code === "EACCES") throw unreadable(file, message);
    throw error;
  } finally {
    if (!whole) unpacker.abandon();
  }
  return readManifest(folder, seen);
}

function checkMember(member: Member, seen: Set<string>): void {
  const name = member.name.toString("latin1");
  if (name !== MANIFEST_FILE && !FILE_NAME.test(name))
    throw invalidArchive(`'${shown(member.name)}' is no part of a snapshot`);
  if (member.type !== "file")
    throw invalidArchive(`'${name}' is a ${member.type}; a snapshot has plain files alone`);
  if (seen.has(name)) throw invalidArchive(`'${name}' is in it twice`);
  if (seen.size === 0 && name !== MANIFEST_FILE)
    throw invalidArchive(`it does not begin with ${MANIFEST_FILE}`);
  if (member.size > (name === MANIFEST_FILE ? MAX_MANIFEST : MAX_FILE))
    throw invalidArchive(`'${name}' is too large`);
  seen.add(name);
}

async function readManifest(folder: string, seen: ReadonlySet<string>): Promise<Manifest> {
  if (!seen.has(MANIFEST_FILE)) throw invalidArchive(`it has no ${MANIFEST_FILE}`);
  const parsed = Manifest.safeParse(parseJson(await readFile(join(folder, MANIFEST_FILE), "utf8")));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalidArchive(
      `${MANIFEST_FILE} is not valid: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`,
    );
  }
  const manifest = parsed.data;
  const missing = manifest.files.find(({ name }) => !seen.has(name));
  if (missing) throw invalidArchive(`'${missing.name}' is missing`);
  if (!isComplete(manifest) || seen.size !== manifest.files.length + 1)
    throw invalidArchive("its files are not those of a snapshot");
  for (const { name, size } of manifest.files)
    if ((await stat(join(folder, name))).size !== size)
      throw invalidArchive(`'${name}' has not ${size} bytes`);
  return manifest;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const unreadable = (file: string, problem: string) =>
  BangerError.of("invalid_argument", {
    what: "snapshot import",
    problem: `'${file}' cannot be read: ${problem}`,
    accepted: "a file that banger vm snapshot export wrote",
  });
