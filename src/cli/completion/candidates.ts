/** What a word of the command line could become, worked out from the commands' own definitions. */
import type { Command, OptionSpec, OptionSpecs } from "../command.ts";
import { COMMANDS, type Entry, GROUPS, resolve } from "../registry.ts";
import type { NameKind, Names } from "./names.ts";

export interface Candidate {
  readonly value: string;
  /** A few words about it, for shells that show them. */
  readonly about: string;
}

/** Candidates, and what of the host the shell itself is to complete. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly paths: "none" | "files" | "folders";
}

const nothing: Completion = { candidates: [], paths: "none" };
const files: Completion = { candidates: [], paths: "files" };

/**
 * @param earlier the words after `banger` that are complete
 * @param current the beginning of the word that is being typed
 * @param names asked only where names are wanted
 */
export async function complete(
  earlier: readonly string[],
  current: string,
  names: Names,
): Promise<Completion> {
  const words = earlier[0] === "help" ? earlier.slice(1) : earlier;
  const found = resolve(words);
  const matching = ({ candidates, paths }: Completion): Completion => ({
    candidates: candidates.filter(({ value }) => value.startsWith(current)),
    paths,
  });
  if (words.length === 0) return matching(firstWords());
  if (!("entry" in found)) return matching(nextWords(words));
  if (earlier[0] === "help") return nothing;
  const { default: command } = await found.entry.load();
  return matching(await inCommand(found.entry, command, found.rest, current, names));
}

function firstWords(): Completion {
  const shown = COMMANDS.filter((entry) => !entry.hidden);
  const single = shown
    .filter(({ name }) => !name.includes(" "))
    .map(({ name, summary }) => of(name, summary));
  const short = shown.flatMap(({ aliases = [], summary }) =>
    aliases.filter((alias) => !alias.includes(" ")).map((alias) => of(alias, summary)),
  );
  const groups = Object.entries(GROUPS).map(([name, about]) => of(name, about));
  return list([...groups, ...single, ...short, of("help", "what a command does")]);
}

/** The words that continue the names of commands. */
function nextWords(words: readonly string[]): Completion {
  const beginning = `${words.join(" ")} `;
  const within = COMMANDS.filter((entry) => !entry.hidden && entry.name.startsWith(beginning));
  const next = new Map<string, string>();
  for (const { name, summary } of within) {
    const [word = "", ...more] = name.slice(beginning.length).split(" ");
    next.set(word, more.length === 0 ? summary : `${word} …`);
  }
  return list([...next].map(([word, about]) => of(word, about)));
}

async function inCommand(
  entry: Entry,
  command: Command<OptionSpecs, never>,
  rest: readonly string[],
  current: string,
  names: Names,
): Promise<Completion> {
  if (rest.includes("--")) return command.takesCommand ? files : nothing;
  const specs = Object.values(command.options);
  const typed = read(specs, rest);
  if (typed.awaiting) return values(entry, typed.awaiting, "", names);
  const assigned = /^(--[\w-]+=)/.exec(current)?.[1];
  if (assigned !== undefined) {
    const spec = specs.find((one) => takesValue(one) && switches(one).includes(assigned.slice(0, -1)));
    return spec ? values(entry, spec, assigned, names) : nothing;
  }
  if (current.startsWith("-")) return list(optionCandidates(specs, typed.given));
  const argument = argumentAt(command.arguments ?? "", typed.args.length);
  if (!argument) return command.takesCommand ? list([of("--", "a command of the guest follows")]) : nothing;
  if (command.argumentChoices && typed.args.length === 0)
    return list(command.argumentChoices.map((value) => of(value, "")));
  return ofPlaceholder(entry, argument, typed.args, "", names);
}

/** The options and arguments among the words that are complete. */
function read(specs: readonly OptionSpec<unknown>[], words: readonly string[]) {
  const given = new Set<OptionSpec<unknown>>();
  const args: string[] = [];
  let awaiting: OptionSpec<unknown> | undefined;
  for (const word of words) {
    if (awaiting) {
      awaiting = undefined;
      continue;
    }
    const spec = specs.find((one) => switches(one).includes(word.replace(/=.*$/s, "")));
    if (spec) given.add(spec);
    if (spec && takesValue(spec) && !word.includes("=")) awaiting = spec;
    else if (!word.startsWith("-") || word === "-") args.push(word);
  }
  return { given, args, awaiting };
}

function optionCandidates(
  specs: readonly OptionSpec<unknown>[],
  given: ReadonlySet<OptionSpec<unknown>>,
): Candidate[] {
  const open = specs.filter((spec) => spec.kind === "list" || !given.has(spec));
  const own = open.flatMap((spec) => {
    const long = switches(spec).find((name) => name.startsWith("--"));
    return long ? [of(long, spec.help)] : [];
  });
  return [...own, of("--help", "what this command does")];
}

function values(
  entry: Entry,
  spec: OptionSpec<unknown>,
  prefix: string,
  names: Names,
): Promise<Completion> | Completion {
  if (spec.choices) return list(spec.choices.map((value) => of(`${prefix}${value}`, "")));
  return ofPlaceholder(entry, /<([\w=]+)>/.exec(spec.flags)?.[1] ?? "", [], prefix, names);
}

/** VMs that a command can do something with; the others take all. */
const STATES: Readonly<Record<string, NameKind>> = {
  "vm start": "stopped VMs",
  "vm stop": "running VMs",
  "vm pause": "running VMs",
  "vm resume": "paused VMs",
  "vm fork": "running VMs",
  "vm exec": "running VMs",
  "vm ssh": "running VMs",
  "vm attach": "running VMs",
  "vm proxy": "running VMs",
  "vm cp": "running VMs",
};

/** What stands in a command's usage says what can stand there: `<vm>`, `--image <image>`, `<file>`. */
async function ofPlaceholder(
  entry: Entry,
  placeholder: string,
  typed: readonly string[],
  prefix: string,
  names: Names,
): Promise<Completion> {
  const named = async (kind: NameKind, ending = "") => {
    const found = await names(kind);
    return found
      .filter(({ value }) => !typed.includes(value))
      .map(({ value, about }) => of(`${prefix}${value}${ending}`, about));
  };
  const [group = ""] = entry.name.split(" ");
  switch (placeholder === "name" || placeholder === "ref" ? group : placeholder) {
    case "vm":
      return placeholder === "vm" ? list(await named(STATES[entry.name] ?? "VMs")) : nothing;
    case "image":
      return list(await named("images"));
    case "snapshot":
      return list(await named("snapshots"));
    case "kernel":
      return list(await named("kernels"));
    case "file":
      return files;
    case "path":
      return { candidates: [], paths: "folders" };
    case "source":
    case "target":
      return { candidates: await named(STATES[entry.name] ?? "VMs", ":"), paths: "files" };
    default:
      return nothing;
  }
}

/** The placeholder of the argument at that place in `<vm> [port]` or `<vm...>`. */
function argumentAt(usage: string, index: number): string | undefined {
  const all = [...usage.matchAll(/[<[]([\w-]+)(\.\.\.)?[>\]]/g)];
  const [, name, several] = all[index] ?? all.at(-1) ?? [];
  return index < all.length || several ? name : undefined;
}

const switches = (spec: OptionSpec<unknown>): string[] => spec.flags.match(/--?[\w][\w-]*/g) ?? [];
const takesValue = (spec: OptionSpec<unknown>) => spec.kind !== "flag";
const of = (value: string, about: string): Candidate => ({ value, about });
const list = (candidates: readonly Candidate[]): Completion => ({ candidates, paths: "none" });
