/**
 * A repository of banger's own beside the user's: it sees the user's objects and keeps what it makes to itself. All real work is
 * done in it, so that no setting, hook or filter of the user's repository is ever read.
 */
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../host/files.ts";
import { type GitAnswer, type GitOptions, git, OWN_CONFIGURATION, openGit } from "../host/git.ts";
import type { RunningProgram } from "../host/run.ts";
import type { Repository } from "./repository.ts";

export class Shadow {
  readonly directory: string;
  readonly repository: Repository;

  private constructor(directory: string, repository: Repository) {
    this.directory = directory;
    this.repository = repository;
  }

  /** Makes it, or brings one that is there up to the user's repository of today. */
  static async make(directory: string, repository: Repository): Promise<Shadow> {
    for (const folder of ["objects/info", "objects/pack", "refs", "info"]) {
      await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
    }
    const { commonDirectory, gitDirectory, format, shallow } = repository;
    const files = {
      HEAD: "ref: refs/heads/banger\n",
      config: configFor(format),
      "objects/info/alternates": `${quoted(join(commonDirectory, "objects"))}\n`,
      shallow: shallow.map((id) => `${id}\n`).join(""),
    };
    for (const [name, content] of Object.entries(files)) await keep(join(directory, name), content);
    for (const name of ["exclude", "attributes"]) {
      await copyFile(join(commonDirectory, "info", name), join(directory, "info", name)).catch(() => {});
    }
    await copyFile(join(gitDirectory, "info/sparse-checkout"), join(directory, "info/sparse-checkout")).catch(
      () => {},
    );
    return new Shadow(directory, repository);
  }

  /** Runs git in it, with the user's files as its work tree. */
  git(args: readonly string[], options: GitOptions = {}): Promise<GitAnswer> {
    return git(args, this.#options(options));
  }

  open(args: readonly string[], options: GitOptions = {}): RunningProgram {
    return openGit(args, this.#options(options));
  }

  #options(options: GitOptions): GitOptions {
    const { root, settings } = this.repository;
    return {
      cwd: root,
      ...options,
      settings: [
        ...Object.entries(settings)
          .filter(([name]) => !name.startsWith("core.sparse"))
          .map(([name, value]) => `${name}=${value}`),
        ...(options.settings ?? []),
      ],
      env: {
        ...OWN_CONFIGURATION,
        GIT_DIR: this.directory,
        GIT_WORK_TREE: root,
        ...(process.env.XDG_CONFIG_HOME && { XDG_CONFIG_HOME: process.env.XDG_CONFIG_HOME }),
        ...options.env,
      },
    };
  }
}

/** A git that runs in it meanwhile must never see half a file. */
async function keep(path: string, content: string): Promise<void> {
  const there = await readFile(path, "utf8").catch(() => null);
  if (there !== content) await writeFileAtomic(path, content);
}

function configFor(format: Repository["format"]): string {
  const isOld = format === "sha1";
  return `[core]
\trepositoryformatversion = ${isOld ? 0 : 1}
\tbare = false
\tsafecrlf = false
${isOld ? "" : `[extensions]\n\tobjectFormat = ${format}\n`}`;
}

/** As git quotes a path in its list of alternates. */
function quoted(path: string): string {
  const escaped = path.replace(/["\\]/g, "\\$&").replaceAll("\n", "\\n");
  return escaped === path ? path : `"${escaped}"`;
}
