/** Submodules go along as repositories of their own within the work tree (`--mode full_copy`): each with all of its history and its files. */
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { checkUnchanged, type Plan, planWorkspace } from "../git/plan.ts";
import { readable, SUBMODULE } from "../git/work-tree.ts";
import { type Source, workMember } from "./archive.ts";
import { packHistory } from "./delivery.ts";
import { newRepository } from "./guest-repository.ts";

export interface SubmoduleOptions {
  /** Folder of banger's own repositories. */
  readonly directory: string;
  /** For packs, until they are sent. */
  readonly scratch: string;
  readonly includeUntracked: boolean;
  readonly readOnly: boolean;
  readonly signal: AbortSignal;
}

export interface Submodules {
  readonly members: readonly Source[];
  /** @throws workspace_changed */
  checkUnchanged(): Promise<void>;
}

/** Paths of the submodules that the index names. */
export const submodulePaths = (plan: Plan): string[] =>
  plan.tracked.filter(({ entry }) => entry.mode === SUBMODULE).map(({ entry }) => entry.path);

/** Everything of the submodules that are checked out, of theirs, too. */
export async function submoduleMembers(plan: Plan, options: SubmoduleOptions): Promise<Submodules> {
  const members: Source[] = [];
  const plans: Plan[] = [];
  const take = async (of: Plan, prefix: string): Promise<void> => {
    for (const path of submodulePaths(of)) {
      const inner = await planSubmodule(join(of.repository.root, readable(path)), plans.length, options);
      if (!inner) continue;
      plans.push(inner);
      const { repository, tracked, files } = inner;
      const history = await packHistory(inner, repository.head, null, options.scratch, options.signal, null);
      const below = `${prefix}${path}/`;
      const made = await newRepository({ repository, head: repository.head, tracked, ...history });
      members.push(
        ...made.map((source) => ({
          ...source,
          member: { ...source.member, path: below + source.member.path },
        })),
        ...files.map((file) => workMember(repository.root, file, below, options.readOnly)),
      );
      await take(inner, below);
    }
  };
  await take(plan, "");
  return {
    members,
    checkUnchanged: async () => {
      for (const inner of plans) await checkUnchanged(inner);
    },
  };
}

/** null for one that is not checked out: its folder then lies in the repository around it. */
async function planSubmodule(root: string, number: number, options: SubmoduleOptions): Promise<Plan | null> {
  const { directory, includeUntracked, signal } = options;
  const shadow = join(directory, `submodule-${number}`);
  const plan = await planWorkspace(root, shadow, { includeUntracked, submodules: true, signal }).catch(
    () => null,
  );
  signal.throwIfAborted();
  return plan && (await realpath(root)) === (await realpath(plan.repository.root)) ? plan : null;
}
