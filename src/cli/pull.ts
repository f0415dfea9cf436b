/** `image pull` and `kernel pull`: obtain one, or say that it is here. */
import type { Banger, Image, Store } from "../sdk/index.ts";
import { flag, json, quiet } from "./command.ts";
import type { Context } from "./context.ts";
import { withHostPackages } from "./host-packages.ts";
import { withProgress } from "./terminal/progress.ts";

export const pullOptions = {
  yes: flag("-y, --yes", "install missing host packages without asking"),
  quiet,
  json,
};

type Entry = Pick<Image, "name" | "digest" | "created_at">;

/** What was pulled, and whether it had to be. */
export interface Pulled<T> {
  readonly entry: T;
  readonly obtained: boolean;
}

/** A store, and how what a name stands for is found in it. */
export interface Source<T> {
  readonly store: Pick<Store<unknown>, "pull">;
  readonly find: (name: string) => Promise<T | undefined>;
}

/** Obtains `name` from a store of the daemon's when it is not here. */
export async function pull<T extends Entry>(
  context: Context,
  sourceOf: (banger: Banger) => Source<T>,
  name: string,
  options: { readonly yes: boolean; readonly quiet: boolean },
): Promise<Pulled<T>> {
  const { store, find } = sourceOf(await context.connect());
  const before = await find(name);
  await withHostPackages(context, options.yes, () =>
    withProgress(context, options.quiet, (following) => store.pull(name, following)),
  );
  const entry = await find(name);
  if (!entry) throw new Error(`${name} was obtained and is gone again`);
  return { entry, obtained: entry.digest !== before?.digest };
}

/** Of the entries of one name the last one made: older ones are kept while VMs use them. */
export function newest<T extends Entry>(entries: readonly T[], name: string): T | undefined {
  return entries
    .filter((entry) => entry.name === name)
    .reduce<T | undefined>(
      (best, entry) => (best && (best.created_at ?? "") >= (entry.created_at ?? "") ? best : entry),
      undefined,
    );
}

/** `debian-slim 3f2a… is here` */
export function renderPulled({
  entry,
  obtained,
}: Pulled<{ readonly name: string; readonly digest: string | null }>): string {
  return `${entry.name} ${shortDigest(entry.digest)}${obtained ? "" : " (was here already)"}\n`;
}

/** The first characters of a digest, enough to tell two apart. */
export const shortDigest = (digest: string | null): string =>
  digest === null ? "-" : digest.replace(/^sha256:/, "").slice(0, 12);
