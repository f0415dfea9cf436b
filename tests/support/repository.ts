/** Real repositories for tests, made by the host's git without anything of the user's configuration. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const ENVIRONMENT = {
  PATH: process.env.PATH,
  HOME: "/nonexistent",
  LC_ALL: "C",
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_AUTHOR_NAME: "A Tester",
  GIT_AUTHOR_EMAIL: "tester@example.com",
  GIT_COMMITTER_NAME: "A Tester",
  GIT_COMMITTER_EMAIL: "tester@example.com",
  GIT_ALLOW_PROTOCOL: "file",
};

/** What git prints in `folder`. */
export function git(folder: string, ...args: readonly string[]): string {
  return execFileSync("git", args, { cwd: folder, env: ENVIRONMENT, maxBuffer: 1 << 28 }).toString("latin1");
}

/** Writes files, folders made as needed. */
export function write(folder: string, files: Readonly<Record<string, string | Buffer>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

/** A new repository with these files in one commit. */
export function makeRepository(
  folder: string,
  files: Readonly<Record<string, string | Buffer>> = { readme: "hello\n" },
  ...init: readonly string[]
): string {
  mkdirSync(folder, { recursive: true });
  git(folder, "init", "-q", "-b", "main", ...init);
  write(folder, files);
  commit(folder, "first");
  return folder;
}

/** Commits everything. */
export function commit(folder: string, message: string): string {
  git(folder, "add", "-A");
  git(folder, "commit", "-q", "--allow-empty", "-m", message);
  return git(folder, "rev-parse", "HEAD").trim();
}
