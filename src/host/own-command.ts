/** How another program starts this one: the same Node, the same sources, the same folders, whatever its own environment. */
import { dirname, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CLIENT_OPTIONS } from "./node-options.ts";
import type { Paths } from "./paths.ts";

/** Program and arguments, to which a command of banger's is added. */
export function ownCommand(paths: Paths, env: NodeJS.ProcessEnv = process.env): string[] {
  const extension = extname(fileURLToPath(import.meta.url)); // .ts from sources, .js when built
  const entry = fileURLToPath(new URL(`../cli/main${extension}`, import.meta.url));
  return [
    "/usr/bin/env",
    ...folders(paths),
    ...compiled(env),
    process.execPath,
    ...CLIENT_OPTIONS,
    "--",
    entry,
  ];
}

/** What `resolvePaths` makes `paths` of. */
function folders(paths: Paths): string[] {
  const base = { XDG_STATE_HOME: paths.state, XDG_CACHE_HOME: paths.cache, XDG_CONFIG_HOME: paths.config };
  const set = Object.entries(base).map(([name, path]) => `${name}=${dirname(path)}`);
  return paths.run === join(paths.state, "run")
    ? ["-u", "XDG_RUNTIME_DIR", ...set]
    : [...set, `XDG_RUNTIME_DIR=${dirname(paths.run)}`];
}

/** Where compiled sources are kept, which halves the time to start. */
function compiled({ NODE_COMPILE_CACHE: folder }: NodeJS.ProcessEnv): string[] {
  return folder ? [`NODE_COMPILE_CACHE=${folder}`] : [];
}
