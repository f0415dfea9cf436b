/** Finds the user's repository and reads what is needed of it. The only place where git reads a user's configuration; it starts nothing from it. */
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BangerError } from "../core/errors.ts";
import { type GitOptions, git, requireGit } from "../host/git.ts";
import type { ObjectFormat } from "./index-file.ts";

export interface Repository {
  /** Top of the work tree. */
  readonly root: string;
  readonly gitDirectory: string;
  /** Where objects and refs are: the same, except in a linked work tree. */
  readonly commonDirectory: string;
  readonly format: ObjectFormat;
  readonly head: Head;
  /** Commits whose parents this repository does not have. */
  readonly shallow: readonly string[];
  /** URL of `origin`, without what could be a password. */
  readonly origin: string | null;
  /** Set in this repository alone. */
  readonly identity: Readonly<Record<"name" | "email", string | null>>;
  /** The settings that say how files become blobs, by lower-case name. */
  readonly settings: Readonly<Record<string, string>>;
  /** Objects may be missing until a server is asked for them. */
  readonly isPartial: boolean;
}

export interface Head {
  /** Full name of the branch's ref; null when detached. */
  readonly ref: string | null;
  /** null on a branch without commits. */
  readonly commit: string | null;
}

/** Settings that change the meaning of files and cannot start anything. */
const SETTINGS = new Set([
  "core.autocrlf",
  "core.eol",
  "core.filemode",
  "core.symlinks",
  "core.ignorecase",
  "core.precomposeunicode",
  "core.trustctime",
  "core.checkstat",
  "core.excludesfile",
  "core.sparsecheckout",
  "core.sparsecheckoutcone",
]);

/**
 * The repository that `path` (a folder) lies in.
 * @throws repository_unusable when there is none, it is bare or damaged; host_packages_missing | git_failed
 */
export async function findRepository(path: string, signal?: AbortSignal): Promise<Repository> {
  const folder = resolve(path);
  await checkFolder(folder);
  await requireGit();
  const options: GitOptions = { cwd: folder, signal };
  const [[root, gitDirectory, commonDirectory, format], settings, head] = await Promise.all([
    readLayout(options),
    readSettings(options),
    readHead(options),
  ]).catch(async (error: BangerError) => {
    signal?.throwIfAborted();
    throw error.code === "git_failed" ? unusable(folder, await reasonOf(error, options), error) : error;
  });
  const excludesFile = settings.get("core.excludesfile") ? await excludesPath(options) : undefined;
  return {
    root,
    gitDirectory,
    commonDirectory,
    format: format as ObjectFormat,
    head,
    shallow: await readShallow(commonDirectory),
    origin: withoutSecrets(settings.get("remote.origin.url") ?? null),
    identity: {
      name: settings.get("local user.name") ?? null,
      email: settings.get("local user.email") ?? null,
    },
    settings: {
      ...Object.fromEntries([...settings].filter(([name]) => SETTINGS.has(name))),
      ...(excludesFile && { "core.excludesfile": excludesFile }),
    },
    isPartial: isPartial(settings),
  };
}

/** Why a folder's repository could not be read: asked only then, since each start of git costs time. */
async function reasonOf(error: BangerError, options: GitOptions): Promise<string> {
  try {
    const [bare, inside] = await lines(
      ["rev-parse", "--is-bare-repository", "--is-inside-work-tree"],
      options,
    );
    if (inside === "true") return error.message;
    return bare === "true" ? "it is a bare repository, without files" : "it lies in a .git folder";
  } catch (problem) {
    return notRepository((problem as BangerError).message);
  }
}

type Layout = readonly [root: string, gitDirectory: string, commonDirectory: string, format: string];

async function readLayout(options: GitOptions): Promise<Layout> {
  const asked = ["--show-toplevel", "--absolute-git-dir", "--git-common-dir", "--show-object-format"];
  const ask = (names: readonly string[]) => line(["rev-parse", "--path-format=absolute", ...names], options);
  const together = (await ask(asked)).split("\n");
  if (together.length === asked.length) return together as unknown as Layout;
  // A folder's name has a line break in it.
  return (await Promise.all(asked.map((name) => ask([name])))) as unknown as Layout;
}

/** The commit that HEAD of this work tree is now. */
export async function readHead(options: GitOptions): Promise<Head> {
  const [ref, commit] = await Promise.all([
    git(["symbolic-ref", "--quiet", "HEAD"], { ...options, accept: [1] }),
    git(["rev-parse", "--quiet", "--verify", "HEAD"], { ...options, accept: [1] }),
  ]);
  const text = ({ stdout }: { stdout: Buffer }) => stdout.toString("latin1").trimEnd() || null;
  return { ref: text(ref), commit: text(commit) };
}

/** Where a checkout with a new branch (or none) stands. @throws invalid_argument */
export async function resolveHead(
  repository: Repository,
  branch: string | null,
  from: string | null,
): Promise<Head> {
  if (branch === null) return repository.head;
  await newBranch(repository, branch, "--branch");
  const commit = from === null ? repository.head.commit : await startOf(repository, from);
  return { ref: `refs/heads/${branch}`, commit };
}

async function startOf(repository: Repository, name: string): Promise<string> {
  const commit = await commitOf(repository, name);
  if (commit) return commit;
  throw BangerError.of("invalid_argument", {
    what: "--from",
    problem: `'${name}' is no commit of ${repository.root}`,
    accepted: "a branch, tag or commit: git -C PATH log --oneline --all",
  });
}

/** The commit that a name stands for; null when there is none. */
export async function commitOf(repository: Repository, name: string): Promise<string | null> {
  const args = ["rev-parse", "--quiet", "--verify", "--end-of-options", `${name}^{commit}`];
  const { stdout } = await git(args, { cwd: repository.root, accept: [1, 128] });
  const commit = stdout.toString("latin1").trim();
  return /^[0-9a-f]{40,64}$/.test(commit) ? commit : null;
}

/** A branch that can be made in the host's repository. @throws invalid_argument when it exists or cannot */
export async function newBranch(repository: Repository, name: string, what: string): Promise<void> {
  await checkBranchName(name, what);
  // A branch is a file below refs/heads: none can lie below another.
  const parts = name.split("/");
  const above = parts.map((_, at) => `refs/heads/${parts.slice(0, at + 1).join("/")}`);
  const full = `refs/heads/${name}`;
  const answer = await git(["for-each-ref", "--format=%(refname)", ...above], { cwd: repository.root });
  const refs = answer.stdout.toString("utf8").split("\n");
  const there = refs.find((ref) => above.includes(ref) || ref.startsWith(`${full}/`));
  if (there === undefined) return;
  const [branch, isSame] = [there.slice("refs/heads/".length), there === full];
  throw BangerError.of("invalid_argument", {
    what,
    problem: `${repository.root} has a branch '${branch}'${isSame ? " already" : `, beside which there can be no '${name}'`}`,
    accepted: "another name",
  });
}

/** @throws invalid_argument when git would not take it as a branch's name */
async function checkBranchName(name: string, what: string): Promise<void> {
  const { code } = await git(["check-ref-format", "--branch", name], { accept: [1, 128] });
  if (code === 0 && !name.startsWith("@") && !name.startsWith("-")) return;
  throw BangerError.of("invalid_argument", {
    what,
    problem: `'${name}' cannot be a branch's name`,
    accepted: "a name as in: git branch NAME",
  });
}

async function checkFolder(folder: string): Promise<void> {
  const info = await stat(folder).catch((error: NodeJS.ErrnoException) => {
    throw unusable(folder, error.code === "ENOENT" ? "it does not exist" : error.message, error);
  });
  if (!info.isDirectory()) throw unusable(folder, "it is no folder");
}

function notRepository(message: string): string {
  if (message.includes("dubious ownership")) {
    return "it belongs to another user (git config --global --add safe.directory PATH trusts it)";
  }
  return message.includes("not a git repository") ? "it lies in no git repository" : message;
}

async function line(args: readonly string[], options: GitOptions): Promise<string> {
  const { stdout } = await git(args, options);
  // Paths may end in, or hold, line breaks: exactly git's own is taken off.
  return stdout.toString("utf8").replace(/\n$/, "");
}

async function lines(args: readonly string[], options: GitOptions): Promise<string[]> {
  return (await line(args, options)).split("\n");
}

/** Last value by name, and by `local name` what this repository itself says. */
async function readSettings(options: GitOptions): Promise<Map<string, string>> {
  const { stdout } = await git(["config", "--list", "-z", "--show-scope"], options);
  const settings = new Map<string, string>();
  const fields = stdout.toString("utf8").split("\0");
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [scope, setting = ""] = [fields[at], fields[at + 1]];
    if (scope === "command") continue; // our own
    const end = setting.indexOf("\n");
    const name = end < 0 ? setting : setting.slice(0, end);
    const value = end < 0 ? "true" : setting.slice(end + 1);
    settings.set(name, value);
    if (scope === "local" || scope === "worktree") settings.set(`local ${name}`, value);
  }
  return settings;
}

/** A remote has promised objects: the setting of today, or that of old. */
const isPartial = (settings: ReadonlyMap<string, string>) =>
  settings.has("extensions.partialclone") ||
  [...settings].some(([name, value]) => /^remote\..*\.promisor$/.test(name) && value !== "false");

/** git knows what `~` means to it. */
async function excludesPath(options: GitOptions): Promise<string | undefined> {
  const { stdout } = await git(["config", "--type=path", "--get", "core.excludesFile"], {
    ...options,
    accept: [1],
  });
  return stdout.toString("utf8").replace(/\n$/, "") || undefined;
}

async function readShallow(commonDirectory: string): Promise<string[]> {
  const text = await readFile(join(commonDirectory, "shallow"), "latin1").catch(() => "");
  return text.split("\n").filter((id) => /^[0-9a-f]{40,64}$/.test(id));
}

/** `https://user:token@host/x` without user and token. A name alone stays where it is no secret (`ssh://git@host`). Pure. */
export function withoutSecrets(url: string | null): string | null {
  const match = /^([a-z][a-z0-9+.-]*:\/\/)([^/@]*@)(.*)$/is.exec(url ?? "");
  if (!match) return url;
  const [, scheme = "", user = "", rest = ""] = match;
  const isLogin = scheme.toLowerCase() === "ssh://" && !user.includes(":");
  return `${scheme}${isLogin ? user : ""}${rest}`;
}

function unusable(path: string, reason: string, cause?: unknown): BangerError {
  return BangerError.of("repository_unusable", { path, reason }, { cause });
}
