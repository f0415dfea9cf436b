/**
 * What config.toml means, known from the last time: to check it anew takes a client 60 ms, nearly as long as all else that it does
 * before it asks for a VM. For clients alone; the daemon has what it needs for it loaded.
 */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "../core/config.ts";
import { VERSION } from "../core/version.ts";
import { readConfigFile } from "./config-file.ts";
import { configFile, type Paths } from "./paths.ts";

// Not `import`: an ES import evaluates getters that load what nothing here needs, some milliseconds of every command.
const { isDeepStrictEqual } = process.getBuiltinModule("node:util");

/** As `readConfig`: the same for the same text. @throws what `readConfig` throws */
export async function knownConfig(paths: Paths): Promise<Config> {
  const text = await readFile(configFile(paths), "utf8").catch(() => null);
  if (text === null) return (await readConfigFile(paths)).config; // none, or it says why not
  const memory = join(paths.cache, "config.json");
  const known = await recall(memory, await keyOf(text));
  if (known) return known;
  const read = await readConfigFile(paths);
  await remember(paths.cache, memory, { key: await keyOf(read.text), config: read.config }).catch(() => {});
  return read.config;
}

interface Known {
  readonly key: string;
  readonly config: Config;
}

/** Of the text and of what reads it: in a working copy that changes without its version. */
async function keyOf(text: string): Promise<string> {
  const sources = await stat(join(import.meta.dirname, "../core"));
  return JSON.stringify([VERSION, sources.mtimeMs, text]);
}

async function recall(memory: string, key: string): Promise<Config | null> {
  try {
    const known = JSON.parse(await readFile(memory, "utf8")) as Known;
    return known.key === key ? known.config : null;
  } catch {
    return null;
  }
}

async function remember(cache: string, memory: string, known: Known): Promise<void> {
  const content = JSON.stringify(known);
  if (!isDeepStrictEqual(JSON.parse(content), known)) return; // it would come back as something else
  const { exists, privateDirectory, replaceFile } = await import("./files.ts"); // seldom needed
  if (!(await exists(cache))) await privateDirectory(cache);
  await replaceFile(memory, content);
}
