/** The user's npm, used to download packages as archives: its registry, proxy and login are the user's settings. Nothing of a package is run. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { aptEnvironment } from "./apt.ts";
import { ProcessError, run } from "./run.ts";

/** Where npm finds its settings, when the user moved them. */
const SETTINGS = /^(npm_config_(userconfig|globalconfig|registry|cafile)|NODE_EXTRA_CA_CERTS)$/i;

/**
 * Downloads one package into an empty folder of banger's own. npm checks it against what the registry says of it; the caller
 * against what it knows itself.
 * @param spec `name@version`
 * @returns path of the archive
 * @throws ProcessError with npm's reason
 */
export async function downloadNpmPackage(spec: string, folder: string, signal: AbortSignal): Promise<string> {
  const own = Object.entries(process.env).filter(([name, value]) => value && SETTINGS.test(name));
  const options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"];
  await run("npm", ["pack", ...options, `--cache=${join(folder, "npm")}`, "--", spec], {
    cwd: folder,
    signal,
    env: { ...aptEnvironment(), ...Object.fromEntries(own as [string, string][]) },
  });
  const file = (await readdir(folder)).find((name) => name.endsWith(".tgz"));
  if (!file) throw new ProcessError("npm", "downloaded nothing", 0, "");
  return join(folder, file);
}

/** npm's own reason: its first line that says more than a code. */
export function npmReason(error: ProcessError): string {
  const lines = [...error.stderr.matchAll(/^npm (?:error|ERR!) (.+)$/gm)].map((match) => match[1] ?? "");
  return lines.find((line) => !/^(code|errno|syscall|A complete log)\b/.test(line)) ?? error.lastLine;
}
