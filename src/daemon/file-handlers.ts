/** Routes of files in the guest. Bytes pass through as streams; memory does not grow with their size. */
import { PassThrough, type Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import { FAILURE_TRAILER } from "../api/failure-trailer.ts";
import type { FileEntry } from "../api/schemas.ts";
import { asBangerError } from "../core/errors.ts";
import type { GuestSession } from "../guest/index.ts";
import * as guest from "../guest/index.ts";
import type { Handlers } from "./server.ts";
import { openEventSink } from "./server-sent-events.ts";

type FileRoute =
  | "statFile"
  | "listFiles"
  | "readFile"
  | "writeFile"
  | "makeDirectory"
  | "moveFile"
  | "removeFile"
  | "watchFiles"
  | "readArchive"
  | "writeArchive";

/** A listing is one JSON document: a folder with more entries than this is refused rather than collected. */
const MAX_LISTED = 100_000;

const SENT_WINDOW = 256 * 1024;

export interface GuestSessions {
  guest(ref: string): Promise<GuestSession>;
}

export function fileHandlers(vms: GuestSessions): Pick<Handlers, FileRoute> {
  const session = (params: Record<string, string>) => vms.guest(params.vm ?? "");
  return {
    statFile: async ({ params, query }) =>
      toWire(await guest.statFile(await session(params), query.path, { follow: query.follow ?? false })),
    listFiles: async ({ params, query }) => {
      const entries: FileEntry[] = [];
      for await (const entry of guest.listFiles(await session(params), query.path)) {
        if (entries.push(toWire(entry)) >= MAX_LISTED) break;
      }
      return entries;
    },
    readFile: async ({ params, query }) => guest.readFile(await session(params), query.path),
    writeFile: async ({ params, query, body }) => {
      const mode = query.mode === undefined ? {} : { mode: Number.parseInt(query.mode, 8) };
      await guest.writeFile(await session(params), query.path, body, {
        ...mode,
        makeParents: query.parents ?? false,
      });
    },
    makeDirectory: async ({ params, body }) =>
      guest.makeDirectory(await session(params), body.path, { parents: body.parents ?? false }),
    moveFile: async ({ params, body }) =>
      guest.moveFile(await session(params), body.from, body.to, { replace: body.replace ?? false }),
    removeFile: async ({ params, query }) =>
      guest.removeFile(await session(params), query.path, { recursive: query.recursive ?? false }),
    watchFiles: async ({ params, query, reply }) => {
      const opened = await session(params);
      const stop = new AbortController();
      const changes = guest.watchFiles(opened, query.path, {
        recursive: query.recursive ?? false,
        signal: stop.signal,
      });
      const first = changes[Symbol.asyncIterator]();
      const sink = openEventSink(reply);
      sink.closed.addEventListener("abort", () => stop.abort());
      for (let next = await first.next(); !next.done && !stop.signal.aborted; next = await first.next()) {
        sink.send({ path: next.value.path, kind: next.value.kind, directory: next.value.directory });
      }
      sink.end();
    },
    readArchive: async ({ params, query, reply }) => {
      const name = query.name === undefined ? {} : { name: query.name };
      return withReason(await guest.readArchive(await session(params), query.path, name), reply);
    },
    writeArchive: async ({ params, query, body }) =>
      guest.writeArchive(await session(params), query.path, body),
  };
}

/**
 * The archive, and when it breaks off the reason behind it: the status line, where errors stand otherwise, is out by
 * then. An archive without its end blocks is never taken for a whole one.
 */
function withReason(archive: Readable, reply: FastifyReply): Readable {
  let failure: Error | null = null;
  const sent = new PassThrough({ highWaterMark: SENT_WINDOW });
  archive.once("error", (error) => {
    failure = error;
    sent.end();
  });
  sent.once("close", () => archive.destroy());
  reply.trailer(FAILURE_TRAILER, async () =>
    failure ? encodeURIComponent(JSON.stringify(asBangerError(failure).toBody())) : "",
  );
  return archive.pipe(sent);
}

function toWire(entry: guest.FileEntry): FileEntry {
  return {
    name: entry.name,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.size,
    mtime: entry.mtime.toISOString(),
    target: entry.target,
  };
}
