/** Who the user is to git, as `git config --global` says. */
import { run } from "./run.ts";
import { findTool } from "./tools.ts";

let asking: Promise<string | null> | null = null;

/**
 * The `[user]` section of a git config file with the host's global name and email; null when there is none or no git. Who asks
 * while git is being asked gets the same answer.
 */
export function gitIdentity(): Promise<string | null> {
  asking ??= readIdentity().finally(() => {
    asking = null;
  });
  return asking;
}

async function readIdentity(): Promise<string | null> {
  if (!(await findTool("git"))) return null;
  const { name, email } = await globalUser();
  const lines = [name && `\tname = ${quote(name)}`, email && `\temail = ${quote(email)}`].filter(Boolean);
  return lines.length > 0 ? `[user]\n${lines.join("\n")}\n` : null;
}

/** git's own last word on each: what is set twice counts as it was set last. */
async function globalUser(): Promise<{ name?: string; email?: string }> {
  const asked = ["config", "--global", "--null", "--get-regexp", "^user\\.(name|email)$"];
  const result = await run("git", asked).catch(() => null); // it exits with 1 when none is set
  const entries = (result?.stdout ?? "").split("\0").flatMap((entry) => {
    const at = entry.indexOf("\n"); // a key that was set without a value has none
    return at < 0 ? [] : [[entry.slice("user.".length, at), entry.slice(at + 1).trim()]];
  });
  return Object.fromEntries(entries);
}

/** Quotes a value by the rules of git's config format. */
export function quote(value: string): string {
  return `"${value.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n")}"`;
}
