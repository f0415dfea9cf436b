/** Reads config.toml. A missing file is an empty one. */
import { readFile } from "node:fs/promises";
import type { Config } from "../core/config.ts";
import { DEFAULT_CONFIG } from "../core/default-config.ts";
import { BangerError } from "../core/errors.ts";
import { configFile, type Paths } from "./paths.ts";

/** The file as it stands, and what it means. */
export interface ReadConfig {
  readonly file: string;
  readonly exists: boolean;
  readonly text: string;
  readonly written: Readonly<Record<string, unknown>>;
  readonly config: Config;
}

/** @throws invalid_config with the file, the line or key, and what is accepted */
export async function readConfig(paths: Paths): Promise<Config> {
  return (await readConfigFile(paths)).config;
}

/** As `readConfig`, with what was read. */
export async function readConfigFile(paths: Paths): Promise<ReadConfig> {
  const file = configFile(paths);
  const found = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw BangerError.of("state_unreadable", { path: file, reason: error.message }, { cause: error });
  });
  if (found === null) return { file, exists: false, text: "", written: {}, config: DEFAULT_CONFIG };
  const [written, { parseConfig }] = await Promise.all([
    parseToml(found, file),
    import("../core/config.ts"), // with the schemas: only where there is something to check
  ]);
  return { file, exists: true, text: found, written, config: parseConfig(written, file, found) };
}

async function parseToml(text: string, file: string): Promise<Record<string, unknown>> {
  const { parse, TomlError } = await import("smol-toml");
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const [problem = "not valid TOML"] = error.message.split("\n");
    throw BangerError.of(
      "invalid_config",
      { file, problem: `line ${error.line}: ${problem}`, accepted: "TOML, see docs/config.md" },
      { cause: error },
    );
  }
}

/** The configuration of a long-running program: it reads the file again before it acts on it, so that edits count at once. */
export class ConfigFile {
  readonly #paths: Paths;
  #current: Config;

  private constructor(paths: Paths, config: Config) {
    this.#paths = paths;
    this.#current = config;
  }

  /** @throws what `readConfig` throws */
  static async open(paths: Paths): Promise<ConfigFile> {
    return new ConfigFile(paths, await readConfig(paths));
  }

  /** As it was when it was last read without an error. */
  get current(): Config {
    return this.#current;
  }

  /** Reads it again. @throws what `readConfig` throws; what was read before stays `current` */
  async refresh(): Promise<Config> {
    this.#current = await readConfig(this.#paths);
    return this.#current;
  }
}
