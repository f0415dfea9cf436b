/** One verb for several VMs: at once, reported in the order typed; the good ones go on when one fails. */
import { asBangerError, BangerError } from "../core/errors.ts";
import type { FollowOptions, Sandbox, Vm } from "../sdk/index.ts";
import type { Context } from "./context.ts";
import { problem } from "./terminal/problem.ts";
import { withProgress } from "./terminal/progress.ts";

/** What became of one name. */
export interface Outcome {
  readonly vm: string;
  readonly ok: boolean;
  readonly state: Vm["state"] | "deleted" | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

type Verb = (vm: Sandbox, following: FollowOptions) => Promise<Outcome["state"]>;

/** Does `verb` to each VM named; a name typed twice counts once, and so do two names of one VM. */
export async function forEachVm(
  context: Context,
  names: readonly string[],
  quiet: boolean,
  verb: Verb,
): Promise<Outcome[]> {
  const banger = await context.connect();
  const unique = [...new Set(names)];
  const found = await Promise.all(
    unique.map(async (name) => ({
      name,
      vm: await banger.get(name).catch((error: unknown) => asBangerError(error)),
    })),
  );
  const seen = new Set<string>();
  const targets = found.filter(
    ({ vm }) => vm instanceof BangerError || (!seen.has(vm.id) && seen.add(vm.id)),
  );
  const single = targets.length === 1;
  return withProgress(context, quiet || !single, async (following) => {
    const results = await Promise.allSettled(
      targets.map(async ({ vm }) => {
        if (vm instanceof BangerError) throw vm;
        return { vm: vm.name, ok: true, state: await verb(vm, following), error: null };
      }),
    );
    following.signal?.throwIfAborted(); // after all have ended: a cancelled one undoes what it began
    // Told when all have ended, so that the order is the one typed.
    return results.map((result, i) =>
      result.status === "fulfilled" ? result.value : failed(context, targets[i]?.name ?? "", result.reason),
    );
  });
}

function failed(context: Context, name: string, reason: unknown): Outcome {
  const error = asBangerError(reason);
  context.stderr.write(problem(error, context.style));
  return { vm: name, ok: false, state: null, error: { code: error.code, message: error.message } };
}

/** One line per VM that went well; the others were told on stderr. */
export const renderOutcomes = (outcomes: readonly Outcome[]): string =>
  outcomes
    .filter((outcome) => outcome.ok)
    .map((outcome) => `${outcome.vm} ${outcome.state}\n`)
    .join("");

/** 1 when any failed. */
export const outcomesCode = (outcomes: readonly Outcome[]): number =>
  outcomes.every((outcome) => outcome.ok) ? 0 : 1;
