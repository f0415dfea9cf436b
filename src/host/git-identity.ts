/** Who the user is to git, as `git config --global` says. */
import { run } from "./run.ts";
import { findTool } from "./tools.ts";

/** The `[user]` section of a git config file with the host's global name and email; null when there is none or no git. */
export async function gitIdentity(): Promise<string | null> {
  if (!(await findTool("git"))) return null;
  const [name, email] = await Promise.all([globalValue("user.name"), globalValue("user.email")]);
  const lines = [name && `\tname = ${quote(name)}`, email && `\temail = ${quote(email)}`].filter(Boolean);
  return lines.length > 0 ? `[user]\n${lines.join("\n")}\n` : null;
}

async function globalValue(key: string): Promise<string> {
  // git exits with 1 when the key is not set.
  const result = await run("git", ["config", "--global", "--get", key]).catch(() => null);
  return result?.stdout.trim() ?? "";
}

/** Quotes a value by the rules of git's config format. */
export function quote(value: string): string {
  return `"${value.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
