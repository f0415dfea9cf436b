/** The way of every command: find it, parse, handle, print what it returned, end with its code. */
import { asBangerError, BangerError } from "../core/errors.ts";
import { EXIT } from "../core/exit-codes.ts";
import { VERSION } from "../core/version.ts";
import type { Command, OptionSpecs } from "./command.ts";
import { type Context, makeContext } from "./context.ts";
import { failureCode, Interrupted, signalCode } from "./exit.ts";
import { COMMANDS, type Entry, load, resolve } from "./registry.ts";
import { streamFailed } from "./terminal/flow.ts";
import { problem } from "./terminal/problem.ts";
import { makeStyle, wantsColour } from "./terminal/view.ts";

/** Beside the registry, since it looks into it. */
const COMPLETE: Entry = {
  name: "__complete",
  summary: "what the last word could become; the scripts of 'banger completion' ask it",
  hidden: true,
  load: load(() => import("./commands/complete.ts")),
};

/** Runs the program and ends the process. */
export async function main(words: readonly string[]): Promise<void> {
  const unwritten = watchOutputs();
  const context = makeContext();
  let code = await run(words, context);
  await flushed(process.stdout);
  const error = unwritten();
  if (error && code === EXIT.ok) {
    context.stderr.write(problem(error, context.style));
    code = error.exit;
  }
  await flushed(process.stderr);
  process.exit(code); // open connections and a readable stdin must not keep it
}

/** Runs one command line; prints; returns the exit code. */
export async function run(words: readonly string[], context: Context): Promise<number> {
  let guestExit = false;
  try {
    const [first] = words;
    if (
      first === undefined ||
      first === "--help" ||
      first === "-h" ||
      (first === "help" && words.length === 1)
    ) {
      return print(context, (await import("./help.ts")).programHelp());
    }
    if (first === "--version" || first === "-V") return print(context, `banger ${VERSION}\n`);
    if (first === "help") return await run([...words.slice(1), "--help"], context);
    const found = resolve(words, [...COMMANDS, COMPLETE]);
    if ("group" in found) return print(context, (await import("./help.ts")).groupHelp(found.group));
    if ("unknown" in found) throw await unknownCommand(found.unknown, found.candidates);
    const command = await loadCommand(found.entry);
    guestExit = command.guestExit ?? false;
    return await perform(command, found.rest, context);
  } catch (error) {
    if (error instanceof Interrupted) return signalCode(error.signal);
    const known = asBangerError(error);
    context.stderr.write(problem(known, context.style));
    if (known.code === "internal" && context.env.BANGER_DEBUG)
      context.stderr.write(`${(error as Error).stack}\n`);
    return failureCode(known, guestExit);
  }
}

async function loadCommand(entry: Entry): Promise<Command<OptionSpecs, never>> {
  return (await entry.load()).default;
}

async function perform(
  command: Command<OptionSpecs, never>,
  words: readonly string[],
  context: Context,
): Promise<number> {
  const { parse } = await import("./parse.ts");
  const input = await parse(command, words);
  if ("help" in input) return print(context, input.help);
  const data = await command.handler(input, context);
  if (input.options.json === true) {
    const document = command.json ? command.json(data) : data;
    if (document !== undefined) print(context, `${JSON.stringify(document, null, 2)}\n`);
  } else if (command.render) {
    const style = makeStyle(wantsColour(context.stdout, context.env));
    print(context, command.render(data, { style, now: Date.now() }));
  }
  return command.exitCode?.(data) ?? EXIT.ok;
}

function print(context: Context, text: string): number {
  if (text !== "") context.stdout.write(text);
  return EXIT.ok;
}

async function unknownCommand(command: string, candidates: readonly string[]): Promise<BangerError> {
  const { didYouMean } = await import("./suggest.ts");
  const suggestion = didYouMean(command, candidates, "banger --help lists the commands");
  return BangerError.of("unknown_command", { command, suggestion });
}

/**
 * A reader that goes away (`banger ps | head -1`) is no error to talk about; it ends the process. A full disk is one.
 * @returns what tells why standard output could not be written
 */
function watchOutputs(): () => BangerError | undefined {
  let unwritten: BangerError | undefined;
  const leave = (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE" || error.code === "EIO") process.exit(signalCode("SIGPIPE"));
  };
  process.stderr.on("error", leave); // there is nowhere left to tell anything else
  process.stdout.on("error", leave).on("error", (error) => {
    unwritten ??= streamFailed("standard output", "written", error);
  });
  return () => unwritten;
}

/** Resolves when everything written has reached the system, or cannot. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}
