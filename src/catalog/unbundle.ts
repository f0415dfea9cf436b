/** Reads bundles: nothing but what their manifest names is accepted, and each file is what the manifest says it is. */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { constants, createZstdDecompress } from "node:zlib";
import { type Member, shown } from "../archive/member.ts";
import { type MemberSink, TarReader } from "../archive/reader.ts";
import { BangerError } from "../core/errors.ts";
import { requireSpace } from "../disk/free-space.ts";
import { type BundleManifest, bundleManifest, FILES, MANIFEST, MAX_MANIFEST } from "./bundle.ts";
import { hostArch, type Kind, MAX_BUNDLE } from "./document.ts";

/** As the standard asks decoders for at least; `writeBundle` stays below it. */
const MAX_WINDOW_LOG = 26;
/** Headers and padding of all members. */
const SLACK = 1024 * 1024;

/** What a bundle must be. */
export interface Expected {
  readonly kind: Kind;
  readonly name: string;
  readonly arch: string;
}

/**
 * Reads a bundle to its end.
 * @param folder where its files are written to (an empty folder); null: it is only checked
 * @throws bundle_malformed | bundle_entry_unexpected | bundle_architecture_wrong | no_space, and what reading throws
 */
export async function readBundle(
  path: string,
  expected: Expected,
  folder: string | null,
  signal: AbortSignal,
): Promise<BundleManifest> {
  const contents = new Contents(expected, folder);
  const zstd = createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG } });
  try {
    await pipeline(
      createReadStream(path, { highWaterMark: 256 * 1024 }),
      zstd,
      async (tar: AsyncIterable<Buffer>) => {
        for await (const chunk of tar) await contents.take(chunk);
      },
      { signal },
    );
    return await contents.finish();
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error, expected.name);
  } finally {
    await contents.close();
  }
}

function explain(error: unknown, bundle: string): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const malformed = (problem: string) =>
    BangerError.of("bundle_malformed", { bundle, problem }, { cause: error });
  if (/^(Z_|ZSTD_|ERR_ZSTD)/.test(code)) return malformed("its zstd data is damaged or cut off");
  if (code === "archive_invalid")
    return malformed((error as Error).message.replace(/^the archive is refused: /, ""));
  return error;
}

type Event =
  | { readonly kind: "begin"; readonly member: Member }
  | { readonly kind: "data"; readonly chunk: Buffer }
  | { readonly kind: "end" };

/** What comes out of a bundle, member by member. */
class Contents {
  readonly #expected: Expected;
  readonly #folder: string | null;
  readonly #events: Event[] = [];
  readonly #reader: TarReader;
  #manifest: BundleManifest | null = null;
  #text: Buffer[] = [];
  #at = -1;
  #hash: Hash = createHash("sha256");
  #file: FileHandle | null = null;
  #bytes = 0;
  #most = MAX_MANIFEST + SLACK;

  constructor(expected: Expected, folder: string | null) {
    this.#expected = expected;
    this.#folder = folder;
    const sink: MemberSink = {
      begin: (member) => this.#events.push({ kind: "begin", member }),
      data: (chunk) => this.#events.push({ kind: "data", chunk }),
      end: () => this.#events.push({ kind: "end" }),
    };
    this.#reader = new TarReader(sink);
  }

  /** Takes the next bytes of the tar, which are this object's from now on. */
  async take(chunk: Buffer): Promise<void> {
    this.#bytes += chunk.length;
    this.#reader.push(chunk);
    for (const event of this.#events.splice(0)) {
      if (event.kind === "begin") await this.#begin(event.member);
      else if (event.kind === "data") await this.#data(event.chunk);
      else await this.#end();
    }
    if (this.#bytes > this.#most) throw this.#malformed(`more than ${this.#most} bytes come out of it`);
  }

  async finish(): Promise<BundleManifest> {
    this.#reader.finish();
    const manifest = this.#manifest;
    if (!manifest) throw this.#malformed(`it holds no ${MANIFEST}`);
    const missing = manifest.files[this.#at];
    if (missing) throw this.#malformed(`'${missing.name}' is missing in it`);
    return manifest;
  }

  async close(): Promise<void> {
    await this.#file?.close();
    this.#file = null;
  }

  async #begin(member: Member): Promise<void> {
    const name = member.name.toString("utf8");
    if (this.#at < 0) {
      if (name !== MANIFEST || member.type !== "file") throw this.#unexpected(member);
      if (member.size > MAX_MANIFEST) throw this.#malformed(`its ${MANIFEST} has ${member.size} bytes`);
      return;
    }
    const wanted = this.#manifest?.files[this.#at];
    if (!wanted || name !== wanted.name || member.type !== "file" || member.segments)
      throw this.#unexpected(member);
    if (member.size !== wanted.size) {
      throw this.#malformed(`'${name}' has ${member.size} bytes, its manifest says ${wanted.size}`);
    }
    this.#hash = createHash("sha256");
    if (this.#folder === null) return;
    this.#file = await open(join(this.#folder, name), "wx", 0o600);
  }

  async #data(chunk: Buffer): Promise<void> {
    if (this.#at < 0) this.#text.push(chunk);
    else {
      this.#hash.update(chunk);
      await this.#file?.appendFile(chunk);
    }
  }

  async #end(): Promise<void> {
    const wanted = this.#manifest?.files[this.#at];
    this.#at += 1;
    if (!wanted) {
      this.#manifest = this.#checked(Buffer.concat(this.#text));
      const total = this.#manifest.files.reduce((sum, { size }) => sum + size, 0);
      if (total > MAX_BUNDLE) throw this.#malformed(`its files have ${total} bytes`);
      if (this.#folder !== null)
        await requireSpace(this.#folder, total, `${this.#expected.kind} ${this.#expected.name}`);
      this.#most += total;
      return;
    }
    await this.close();
    if (this.#hash.digest("hex") !== wanted.sha256) {
      throw this.#malformed(`'${wanted.name}' has another sha256 than its manifest says`);
    }
  }

  #checked(text: Buffer): BundleManifest {
    const { kind, name, arch } = this.#expected;
    let json: unknown;
    try {
      json = JSON.parse(text.toString("utf8"));
    } catch {
      throw this.#malformed(`its ${MANIFEST} is not JSON`);
    }
    const result = bundleManifest.safeParse(json);
    if (!result.success) {
      const [issue] = result.error.issues;
      throw this.#malformed(`its ${MANIFEST}: ${issue?.path.join(".")}: ${issue?.message}`);
    }
    const found = result.data;
    if (found.kind !== kind || found.name !== name) {
      throw this.#malformed(`it is ${found.kind} '${found.name}', not ${kind} '${name}'`);
    }
    if (found.arch !== arch) throw wrongArchitecture({ kind, name, arch: found.arch });
    const { needed, allowed } = FILES[kind];
    const names = found.files.map((file) => file.name);
    const extra = names.find((file, at) => !allowed.test(file) || names.indexOf(file) !== at);
    if (extra !== undefined) throw this.#unexpectedName(extra);
    if (!names.includes(needed)) throw this.#malformed(`its ${MANIFEST} names no '${needed}'`);
    return found;
  }

  #unexpected(member: Member): BangerError {
    return this.#unexpectedName(shown(member.name));
  }

  #unexpectedName(entry: string): BangerError {
    return BangerError.of("bundle_entry_unexpected", { bundle: this.#expected.name, entry });
  }

  #malformed(problem: string): BangerError {
    return BangerError.of("bundle_malformed", { bundle: this.#expected.name, problem });
  }
}

export function wrongArchitecture({ kind, name, arch }: Expected): BangerError {
  return BangerError.of("bundle_architecture_wrong", { kind, name, arch, host: hostArch() });
}
