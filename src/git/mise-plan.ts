/** Which tools a repository asks mise for: read from its files on the host, so that it can be shown before a VM exists. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";

/** In mise's own order of precedence; all of them count. */
const FILES = [".mise.toml", "mise.toml", ".tool-versions"] as const;
const MAX_BYTES = 256 * 1024;

export interface MisePlan {
  /** Files that mise reads. */
  readonly files: readonly string[];
  readonly tools: readonly { readonly name: string; readonly version: string }[];
}

/** null when the repository has no file of mise's. A file that cannot be understood is left to mise to complain about. */
export async function misePlan(root: string): Promise<MisePlan | null> {
  const found: string[] = [];
  const tools = new Map<string, string>();
  for (const name of FILES) {
    const text = await readFile(join(root, name), "utf8").catch(() => null);
    if (text === null || text.length > MAX_BYTES) continue;
    found.push(name);
    const named = name === ".tool-versions" ? readToolVersions(text) : readMiseToml(text);
    for (const [tool, version] of named) if (!tools.has(tool)) tools.set(tool, version);
  }
  if (found.length === 0) return null;
  return { files: found, tools: [...tools].map(([name, version]) => ({ name, version })) };
}

/** `node 24.1.0 22` lines; # begins a comment. Pure. */
export function readToolVersions(text: string): [tool: string, version: string][] {
  return text.split(/\r?\n/).flatMap((line): [string, string][] => {
    const [tool, ...versions] = line.replace(/#.*/, "").trim().split(/\s+/);
    return tool ? [[tool, versions.join(" ") || "latest"]] : [];
  });
}

/** The `[tools]` table: a version, a list of them, or a table with one. Pure. */
export function readMiseToml(text: string): [tool: string, version: string][] {
  let tools: unknown;
  try {
    tools = parse(text).tools;
  } catch {
    return [];
  }
  return typeof tools === "object" && tools !== null
    ? Object.entries(tools).map(([tool, value]) => [tool, versionOf(value)])
    : [];
}

function versionOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(versionOf).join(" ");
  if (typeof value === "object" && value !== null && "version" in value) return versionOf(value.version);
  return typeof value === "string" || typeof value === "number" ? String(value) : "latest";
}
