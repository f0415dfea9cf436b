/** What of an image's configuration banger honours (OCI image specification, config.md). Pure. */
import type { RunSettings } from "../manifest.ts";
import type { Config } from "./manifest.ts";

export function settingsOf(image: Config | null): { env: Record<string, string>; run: RunSettings } {
  const config = image?.config;
  const env: Record<string, string> = {};
  for (const pair of config?.Env ?? []) {
    const at = pair.indexOf("=");
    if (at > 0 && !pair.includes("\0")) env[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return {
    env,
    run: {
      user: config?.User ?? "",
      workingDirectory: config?.WorkingDir ?? "",
      entrypoint: [...(config?.Entrypoint ?? [])],
      command: [...(config?.Cmd ?? [])],
    },
  };
}
