/** Who the user is to git, as `git config --global` says. */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { run } from "./run.ts";
import { findTool } from "./tools.ts";

/** What git reads as its global configuration (git-config(1), FILES) in the environment that `run` gives it. */
const FILES = [".config/git/config", ".gitconfig"];

let last: { readonly files: string; readonly identity: string | null } | null = null;

/**
 * The `[user]` section of a git config file with the host's global name and email; null when there is none or no git. Each start
 * wants it, so git is asked again only when what it reads has changed; with `--global` it includes no other files.
 */
export async function gitIdentity(): Promise<string | null> {
  const files = await globalFiles();
  if (last && last.files === files) return last.identity;
  const identity = await askGit();
  last = { files, identity };
  return identity;
}

/** What is in them, each with its path, and why one could not be read. */
async function globalFiles(): Promise<string> {
  const paths = FILES.map((name) => join(homedir(), name));
  const texts = paths.map((path) => readFile(path, "utf8").catch((error: Error) => error.message));
  return JSON.stringify([paths, await Promise.all(texts)]);
}

async function askGit(): Promise<string | null> {
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
