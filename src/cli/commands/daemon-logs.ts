import { BangerError } from "../../core/errors.ts";
import { LogFile } from "../../host/log-file.ts";
import { daemonLog, resolvePaths } from "../../host/paths.ts";
import { define, flag, json, parsed } from "../command.ts";
import { renderLogLine } from "../terminal/log-line.ts";
import { makeStyle, wantsColour } from "../terminal/view.ts";

const DEFAULT_LINES = 100;

export default define({
  name: "daemon logs",
  summary: "what the daemon wrote",
  options: {
    follow: flag("-f, --follow", "go on until Ctrl-C"),
    tail: parsed("-n, --tail <lines>", `only that many last lines (${DEFAULT_LINES})`, parseLines),
    json,
  },
  examples: [
    ["banger daemon logs", "the last lines, for people"],
    ["banger daemon logs -f --json", "as they are written: one JSON object per line"],
  ],
  handler: async ({ options }, context) => {
    const path = daemonLog(resolvePaths(context.env));
    const style = makeStyle(wantsColour(context.stdout, context.env));
    const print = (line: string) =>
      void context.stdout.write(`${options.json ? line : renderLogLine(line, style)}\n`);
    const opened = await LogFile.open(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw BangerError.of("state_unreadable", { path, reason: error.message }, { cause: error });
    });
    if (!opened) {
      context.note("there is no log: the daemon has not run yet (banger daemon start starts it)");
      return;
    }
    await using log = opened;
    await log.seekTail(options.tail ?? DEFAULT_LINES);
    for await (const line of log.read()) print(line);
    // Ctrl-C ends the process.
    if (options.follow) await log.follow(print, new AbortController().signal);
  },
  json: () => undefined,
});

function parseLines(text: string): number {
  if (/^\d{1,7}$/.test(text)) return Number(text);
  throw BangerError.of("invalid_argument", {
    what: "--tail",
    problem: `'${text}' is not a number of lines`,
    accepted: "accepted: 0 to 9999999",
  });
}
