import { type FSWatcher, watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { BangerError } from "../../core/errors.ts";
import { daemonLog, resolvePaths } from "../../host/paths.ts";
import { define, flag, json, parsed } from "../command.ts";
import { renderLogLine } from "../terminal/log-line.ts";

const CHUNK = 64 * 1024;

export default define({
  name: "daemon logs",
  summary: "what the daemon wrote",
  options: {
    follow: flag("-f, --follow", "go on until Ctrl-C"),
    tail: parsed("-n, --tail <lines>", "only that many last lines (100)", parseLines),
    json,
  },
  examples: [
    ["banger daemon logs", "the last lines, for people"],
    ["banger daemon logs -f --json", "as they are written: one JSON object per line"],
  ],
  handler: async ({ options }, context) => {
    const path = daemonLog(resolvePaths(context.env));
    const print = (line: string) =>
      context.stdout.write(`${options.json ? line : renderLogLine(line, context.style)}\n`);
    const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
      throw BangerError.of("daemon_unreachable", { reason: `${path} cannot be read: ${error.message}` });
    });
    try {
      const lines = new LineReader(file);
      for (const line of (await lines.read()).slice(-(options.tail ?? 100))) print(line);
      if (options.follow) await follow(path, async () => (await lines.read()).forEach(print));
    } finally {
      await file.close();
    }
  },
  json: () => undefined,
});

/** Complete lines of a growing file, each once. */
class LineReader {
  readonly #file: FileHandle;
  readonly #buffer = Buffer.alloc(CHUNK);
  #rest = Buffer.alloc(0);

  constructor(file: FileHandle) {
    this.#file = file;
  }

  async read(): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK, null);
      if (bytesRead === 0) return lines;
      const text = Buffer.concat([this.#rest, this.#buffer.subarray(0, bytesRead)]);
      const end = text.lastIndexOf(0x0a) + 1;
      this.#rest = Buffer.from(text.subarray(end));
      if (end > 0) lines.push(...text.toString("utf8", 0, end - 1).split("\n"));
    }
  }
}

/** Calls `changed` after each change of the file, never twice at a time. Ends with the process. */
async function follow(path: string, changed: () => Promise<void>): Promise<void> {
  await new Promise<void>((_, reject) => {
    let work = Promise.resolve();
    const watcher: FSWatcher = watch(path, () => {
      work = work.then(changed);
      work.catch(reject);
    });
    watcher.once("error", reject);
    work = changed(); // what came before the watch began
    work.catch(reject);
  });
}

function parseLines(text: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw BangerError.of("invalid_argument", {
    what: "--tail",
    problem: `'${text}' is not a number of lines`,
    accepted: "accepted: 1 to 9999999",
  });
}
