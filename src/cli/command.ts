/**
 * What a command is: names, options, help, and a handler that returns data. Only the program prints it, so a handler
 * can be tested without a terminal, and `--json` costs nothing.
 */
import type { Context } from "./context.ts";
import type { View } from "./terminal/view.ts";

/** One option of a command; `T` is what the handler gets. */
export interface OptionSpec<T> {
  /** As commander writes it: `-e, --env <K=V>`. */
  readonly flags: string;
  readonly help: string;
  readonly kind: "flag" | "value" | "list";
  readonly choices?: readonly string[];
  readonly parse?: (text: string) => unknown;
  /** Never set: it ties the option to what the handler gets. */
  readonly type?: T;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec<unknown>>>;
export type Values<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never;
};

/** A switch: true when given, also for one of the form `--no-…`. */
export function flag(flags: string, help: string): OptionSpec<boolean> {
  return { flags, help, kind: "flag" };
}

/** An option with a text. */
export function text(flags: string, help: string): OptionSpec<string | undefined> {
  return { flags, help, kind: "value" };
}

/** An option whose text is parsed; the parser throws an invalid_argument. */
export function parsed<T>(
  flags: string,
  help: string,
  parse: (text: string) => T,
): OptionSpec<T | undefined> {
  return { flags, help, kind: "value", parse };
}

/** An option with one of a few values. */
export function choice<const C extends readonly string[]>(
  flags: string,
  help: string,
  choices: C,
): OptionSpec<C[number] | undefined> {
  return { flags, help, kind: "value", choices };
}

/** An option that may be given several times. */
export function list(flags: string, help: string): OptionSpec<readonly string[]> {
  return { flags, help, kind: "list" };
}

/** An option that may be given several times, each text parsed. */
export function parsedList<T>(
  flags: string,
  help: string,
  parse: (text: string) => T,
): OptionSpec<readonly T[]> {
  return { flags, help, kind: "list", parse };
}

/** What the user typed, parsed. */
export interface Input<O extends OptionSpecs> {
  readonly options: Values<O>;
  readonly args: readonly string[];
  /** What stands after `--`; undefined when there is no `--`. */
  readonly command: readonly string[] | undefined;
}

export interface Command<O extends OptionSpecs = OptionSpecs, Data = unknown> {
  /** Words that name it, such as `vm list`. */
  readonly name: string;
  readonly summary: string;
  /** Positional arguments as commander writes them: `<vm...>`, `[path]`. */
  readonly arguments?: string;
  /** What the first positional argument can be, where that is one of a few. */
  readonly argumentChoices?: readonly string[];
  /** Takes a command of the guest after `--`. */
  readonly takesCommand?: boolean;
  readonly options: O;
  readonly examples: readonly (readonly [line: string, what: string])[];
  /** Further text of the help: what its options do not say. */
  readonly details?: string;
  /** Text that is made only when the help is shown: defaults of this machine. Not in docs/cli.md. */
  readonly notes?: () => Promise<string>;
  /** Failures of banger itself end with 125, as `docker run` does it, because every other code is the guest's. */
  readonly guestExit?: boolean;
  /** Its exit codes for the help, where the common rule does not tell them. */
  readonly exitCodes?: string;
  readonly handler: (input: Input<O>, context: Context) => Promise<Data>;
  /** The data as text for people; what it returns goes to stdout. */
  readonly render?: (data: Data, view: View) => string;
  /** What `--json` prints, when that is not the data as it is; undefined prints nothing. */
  readonly json?: (data: Data) => unknown;
  /** Exit code of a run that did not throw; 0 unless given. */
  readonly exitCode?: (data: Data) => number;
}

/** Gives a command its types. */
export function define<O extends OptionSpecs, Data>(command: Command<O, Data>): Command<O, Data> {
  return command;
}

/** The option of every command that prints data. */
export const json = flag("--json", "print one JSON document");
/** The option of every command that shows progress. */
export const quiet = flag("-q, --quiet", "no progress and no notices");
