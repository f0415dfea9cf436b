/** Turns the words after a command's name into typed input, or into help, or into a usage error. */
import { Command as Commander, CommanderError, Option } from "commander";
import { BangerError } from "../core/errors.ts";
import type { Command, Input, OptionSpec, OptionSpecs } from "./command.ts";

/** @returns the parsed input, or `help` with its text when that was asked for @throws invalid_argument */
export async function parse(
  command: Command<OptionSpecs, never>,
  words: readonly string[],
): Promise<Input<OptionSpecs> | { help: string }> {
  const split = words.indexOf("--");
  const own = split < 0 ? words : words.slice(0, split);
  const guest = split < 0 ? undefined : words.slice(split + 1);
  const parser = build(command);
  if (own.includes("--help") || own.includes("-h")) return { help: await helpText(command, parser) };
  const keys: [attribute: string, key: string][] = []; // `--x` and `--no-x` share an attribute
  for (const [key, spec] of Object.entries(command.options)) {
    const option = asOption(spec);
    keys.push([option.attributeName(), key]);
    parser.addOption(option);
  }
  if (guest && !command.takesCommand)
    throw usage(command, "nothing can stand after --", `${helpLine(command)}`);
  if (guest?.length === 0)
    throw usage(command, "no command stands after --", "put a command there, or leave -- out");
  try {
    parser.parse([...own], { from: "user" });
  } catch (error) {
    throw error instanceof CommanderError ? translate(command, error) : error;
  }
  const options: Record<string, unknown> = {};
  const given = parser.opts();
  for (const [attribute, key] of keys) {
    const spec = command.options[key];
    const value = given[attribute];
    if (spec?.kind === "flag")
      options[key] = value === !spec.flags.includes("--no-"); // commander: false when given
    else options[key] = value ?? (spec?.kind === "list" ? [] : undefined);
  }
  return { options, args: parser.args, command: guest };
}

function build(command: Command<OptionSpecs, never>): Commander {
  const parser = new Commander(`banger ${command.name}`)
    .description(command.summary)
    .helpOption(false)
    .allowExcessArguments(false)
    .showSuggestionAfterError(true)
    .configureHelp({ helpWidth: 80 }) // the same on every terminal: docs/cli.md is made of it
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: () => {} });
  if (command.arguments) parser.arguments(command.arguments);
  return parser;
}

function asOption(spec: OptionSpec<unknown>): Option {
  const option = new Option(spec.flags, spec.help);
  if (spec.choices) option.choices([...spec.choices]);
  const { parse = (value: string): unknown => value } = spec;
  if (spec.kind === "list") {
    option.argParser((value: string, former?: unknown[]) => [...(former ?? []), parse(value)]);
  } else if (spec.parse) option.argParser((value: string) => parse(value));
  return option;
}

async function helpText(command: Command<OptionSpecs, never>, parser: Commander): Promise<string> {
  for (const spec of Object.values(command.options)) parser.addOption(asOption(spec));
  parser.addOption(new Option("-h, --help", "show this"));
  const examples = command.examples.map(([line, what]) => `  ${line}\n      ${what}`).join("\n");
  const usageLine = ["[options]", command.arguments ?? "", command.takesCommand ? "[-- cmd...]" : ""];
  parser.usage(usageLine.filter(Boolean).join(" "));
  const notes = command.notes ? await command.notes() : "";
  const { RELATED } = await import("./related.ts");
  const also = RELATED[command.name]?.map((name) => `banger ${name}`).join(", ");
  return [
    parser.helpInformation(),
    command.details && `${command.details.trimEnd()}\n`,
    notes && `${notes.trimEnd()}\n`,
    examples && `Examples:\n${examples}\n`,
    `Exit codes:\n${exitCodes(command)}\n`,
    also && `See also: ${also}\n`,
  ]
    .filter(Boolean)
    .join("\n");
}

/** The rule of docs/cli.md, as far as it concerns a command. */
function exitCodes(command: Command<OptionSpecs, never>): string {
  if (command.exitCodes) return `  ${command.exitCodes}`;
  if (!command.guestExit) return "  0 it worked, 1 it did not and the message says why, 2 wrong usage";
  const timeout = "timeout" in command.options ? "124 --timeout was over, " : "";
  return `  the command's own (128 + n: signal n ended it); ${timeout}125 banger failed,\n  126 cannot be executed, 127 not found, 2 wrong usage`;
}

/** Commander's message as an error of the catalogue; its "(Did you mean …?)" becomes the hint. */
function translate(command: Command<OptionSpecs, never>, error: CommanderError): BangerError {
  const [first = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  const hint = /^\((Did you mean .*)\)$/.exec(suggestion ?? "")?.[1];
  let accepted = hint ? hint.replace("Did", "did") : helpLine(command);
  if (error.code === "commander.excessArguments" && command.takesCommand) {
    accepted = `put -- before the command: banger ${command.name} … -- cmd`;
  }
  return usage(command, first.replace(/\.$/, ""), accepted);
}

const helpLine = (command: { readonly name: string }) =>
  `banger ${command.name} --help shows what is accepted`;

function usage(command: { readonly name: string }, problem: string, accepted: string): BangerError {
  return BangerError.of("invalid_argument", { what: command.name, problem, accepted });
}
