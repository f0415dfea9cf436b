/** The environment of a guest command, from `-e` and `--env-file`. */
import { readFile } from "node:fs/promises";
import { BangerError } from "../../core/errors.ts";
import { list } from "../command.ts";

export const environmentOptions = {
  env: list(
    "-e, --env <K=V>",
    "set a variable of the command; K alone takes this shell's value (repeatable)",
  ),
  envFile: list("--env-file <file>", "variables from a file: K=V lines, # comments (repeatable)"),
};

const NAME = /^[^=\0\s]+$/;

/** Files first, in order, then `-e`, so that the command line wins. A bare name that is not set here is left out. */
export async function commandEnvironment(
  options: { readonly env: readonly string[]; readonly envFile: readonly string[] },
  host: NodeJS.ProcessEnv,
): Promise<Record<string, string>> {
  const result: Record<string, string> = {};
  for (const file of options.envFile) {
    const content = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
      throw BangerError.of("invalid_argument", {
        what: "--env-file",
        problem: `${file} cannot be read: ${error.message}`,
        accepted: "a file with K=V lines",
      });
    });
    Object.assign(result, parseEnvironmentFile(content, file, host));
  }
  for (const assignment of options.env) Object.assign(result, parseAssignment(assignment, "--env", host));
  return result;
}

/** `K=V` lines; empty lines and lines that start with # are skipped; values are taken as they are, without quoting. */
export function parseEnvironmentFile(
  content: string,
  file: string,
  host: NodeJS.ProcessEnv,
): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [index, raw] of content.split(/\r?\n/).entries()) {
    const line = raw.trimStart();
    if (line === "" || line.startsWith("#")) continue;
    Object.assign(result, parseAssignment(line, `${file}, line ${index + 1}`, host));
  }
  return result;
}

function parseAssignment(text: string, what: string, host: NodeJS.ProcessEnv): Record<string, string> {
  const equals = text.indexOf("=");
  const name = equals < 0 ? text.trimEnd() : text.slice(0, equals);
  const value = equals < 0 ? host[name] : text.slice(equals + 1);
  if (!NAME.test(name) || value?.includes("\0")) {
    // Not the whole text: it may hold a secret.
    const problem = `'${name}' is not a variable's name`;
    throw BangerError.of("invalid_argument", {
      what,
      problem,
      accepted: "K=V, or K to take this shell's value",
    });
  }
  return value === undefined ? {} : { [name]: value };
}
