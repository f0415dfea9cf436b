/** Reads config.toml. A missing file is an empty one. */
import { readFile } from "node:fs/promises";
import { parse, TomlError } from "smol-toml";
import { type Config, parseConfig } from "../core/config.ts";
import { BangerError } from "../core/errors.ts";
import { configFile, type Paths } from "./paths.ts";

/** @throws invalid_config with the file, the line or key, and what is accepted */
export async function readConfig(paths: Paths): Promise<Config> {
  const file = configFile(paths);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw BangerError.of("state_unreadable", { path: file, reason: error.message }, { cause: error });
  });
  try {
    return parseConfig(parse(text), file, text);
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
