/** The documents that are made of sources: path → content. `npm run docs` writes them; a test keeps them current. */
import { z } from "zod";
import { openApiDocument } from "../../src/api/openapi.ts";
import { configSchema } from "../../src/core/config.ts";
import { CATALOGUE } from "../../src/core/errors.ts";

export const DOCUMENTS: Record<string, () => string> = {
  "docs/openapi.json": () => `${JSON.stringify(openApiDocument(), null, 2)}\n`,
  "docs/errors.md": errors,
  "docs/config.md": config,
};

const MADE = "<!-- Made by `npm run docs`; change the source instead. -->";

function errors(): string {
  const rows = Object.entries(CATALOGUE).map(([code, { exit, status, message, hint }]) =>
    row([`\`${code}\``, exit, status, message, hint]),
  );
  return `# Errors

${MADE}

Every failure has one of these codes. The command line prints \`banger: <message>\` and the hint, which is what to do next;
the API answers with an object of \`code\`, \`message\`, \`hint\` and \`exit\`. Codes are stable; messages may change.

Exit is the code that a command ends with. For \`vm run\` and \`vm exec\`, whose exit code is otherwise the guest command's own,
it is 125 where the table says 1. Status is the HTTP status of the API.

${row(["Code", "Exit", "Status", "Message", "Hint"])}
${row(["---", "---", "---", "---", "---"])}
${rows.join("\n")}
`;
}

interface Key {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly anyOf?: readonly Key[];
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Record<string, Key>;
}

function config(): string {
  const { properties = {} } = z.toJSONSchema(configSchema, { io: "input" }) as Key;
  return `# config.toml

${MADE}

\`$XDG_CONFIG_HOME/banger/config.toml\`, by default \`~/.config/banger/config.toml\`. The file and every key are optional.
An unknown key or a bad value is an error that names it. The daemon reads the file when it starts.

${row(["Key", "Type", "Default", ""])}
${row(["---", "---", "---", "---"])}
${keys(properties).join("\n")}

Sizes are written as \`512M\`, \`4G\` or \`4GiB\`.
`;
}

function keys(properties: Record<string, Key>, prefix = ""): string[] {
  return Object.entries(properties).flatMap(([name, key]) =>
    key.properties
      ? keys(key.properties, `${prefix}${name}.`)
      : row([`\`${prefix}${name}\``, typeName(key), defaultOf(key), key.description ?? ""]),
  );
}

function typeName(key: Key): string {
  if (key.enum) return key.enum.map((value) => `\`"${value}"\``).join(", ");
  return key.anyOf ? key.anyOf.map(typeName).join(" or ") : (key.type ?? "");
}

const defaultOf = (key: Key) => (key.default === undefined ? "" : `\`${JSON.stringify(key.default)}\``);

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.map((cell) => String(cell).replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}
