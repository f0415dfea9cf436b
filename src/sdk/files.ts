/** Files of a running VM. Paths are absolute paths in the guest. */
import { Readable } from "node:stream";
import type { FileEntry, FileEvent, Unpacked } from "../api/schemas.ts";
import { parseEvents } from "./events.ts";
import { connectionError, readAll, type Transport, untilFailure } from "./transport.ts";

const DEFAULT_LIMIT = 64 * 1024 * 1024;

export interface WriteOptions {
  /** Octal, such as "0644" (the default). */
  readonly mode?: string;
  /** Make missing folders on the way. */
  readonly parents?: boolean;
  readonly signal?: AbortSignal;
}

type Content = string | Uint8Array | Readable;

/** `sandbox.files` */
export class Files {
  readonly #transport: Transport;
  readonly #base: string;

  constructor(transport: Transport, base: string) {
    this.#transport = transport;
    this.#base = base;
  }

  /** A file's bytes; at most `limit` (64 MiB unless said otherwise), `stream` has no bound. */
  async read(path: string, options: { limit?: number; signal?: AbortSignal } = {}): Promise<Buffer> {
    return readAll(await this.stream(path, options), options.limit ?? DEFAULT_LIMIT);
  }

  /** A file's content as UTF-8 text. */
  async readText(path: string, options: { limit?: number; signal?: AbortSignal } = {}): Promise<string> {
    return (await this.read(path, options)).toString("utf8");
  }

  /** A file's bytes as a stream. */
  stream(path: string, options: { signal?: AbortSignal } = {}): Promise<Readable> {
    return this.#transport.open(`${this.#base}/files/content`, { query: { path }, signal: options.signal });
  }

  /** Writes a file atomically: other processes see the old content or the new, never a part. */
  async write(path: string, content: Content, options: WriteOptions = {}): Promise<void> {
    const { mode, parents, signal } = options;
    await this.#put("/files/content", { path, mode, parents }, content, signal);
  }

  /** What is at a path; a symlink itself, unless `follow` is given. */
  stat(path: string, options: { follow?: boolean } = {}): Promise<FileEntry> {
    return this.#transport.json(`${this.#base}/files/stat`, { query: { path, follow: options.follow } });
  }

  /** A folder's entries. */
  list(path: string): Promise<FileEntry[]> {
    return this.#transport.json(`${this.#base}/files`, { query: { path } });
  }

  /** Makes a folder; with `parents` also those above it, and an existing one is fine. */
  async mkdir(path: string, options: { parents?: boolean } = {}): Promise<void> {
    await this.#post("/files/directories", { path, ...options });
  }

  /** Renames within the guest. */
  async move(from: string, to: string, options: { replace?: boolean } = {}): Promise<void> {
    await this.#post("/files/move", { from, to, ...options });
  }

  /** Removes a file, or with `recursive` a tree. */
  async remove(path: string, options: { recursive?: boolean } = {}): Promise<void> {
    const query = { path, recursive: options.recursive };
    await this.#transport.json(`${this.#base}/files`, { method: "DELETE", query });
  }

  /** Changes below a path, until the loop is left or `signal` aborts. From `onOpen` on none is missed. */
  async *watch(
    path: string,
    options: { recursive?: boolean; signal?: AbortSignal; onOpen?: () => void } = {},
  ): AsyncGenerator<FileEvent> {
    const { recursive, signal, onOpen } = options;
    const reply = await this.#transport.open(`${this.#base}/files/events`, {
      query: { path, recursive },
      signal,
    });
    onOpen?.();
    try {
      yield* parseEvents(reply) as AsyncGenerator<FileEvent>;
    } catch (error) {
      if (!signal?.aborted) throw connectionError(error);
    } finally {
      reply.destroy();
    }
  }

  /**
   * A tree as a pax archive (tar), its top called `name` (default `.` for a folder, else the file's name). The stream
   * fails when the guest cannot go on.
   */
  async downloadTar(path: string, options: { name?: string; signal?: AbortSignal } = {}): Promise<Readable> {
    const { name, signal } = options;
    const reply = await this.#transport.open(`${this.#base}/archive`, { query: { path, name }, signal });
    return untilFailure(reply);
  }

  /** Unpacks a tar archive into an existing folder; members cannot leave it. */
  async uploadTar(path: string, archive: Content, options: { signal?: AbortSignal } = {}): Promise<Unpacked> {
    return this.#put("/archive", { path }, archive, options.signal);
  }

  async #put<T>(
    path: string,
    query: Record<string, string | boolean | undefined>,
    content: Content,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const stream =
      content instanceof Readable
        ? content
        : Readable.from([Buffer.from(content as Uint8Array)], { objectMode: false });
    return this.#transport.json<T>(`${this.#base}${path}`, { method: "PUT", query, stream, signal });
  }

  async #post(path: string, body: unknown): Promise<void> {
    await this.#transport.json(`${this.#base}${path}`, { method: "POST", body });
  }
}
