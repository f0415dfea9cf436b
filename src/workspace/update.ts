/** Decides what a repeated preparation moves and what it must not touch. Pure: from how trees differ. */
import type { TreeChange } from "../git/tree-diff.ts";

/** Trees: `given` is what the guest got last, `guest` what it has, `wanted` what the host has now. */
export interface Differences {
  readonly givenToGuest: ReadonlyMap<string, TreeChange>;
  readonly guestToWanted: ReadonlyMap<string, TreeChange>;
  /** To the tree of a preparation that was cut off; what it had done already is not the guest's work. */
  readonly guestToPending: ReadonlyMap<string, TreeChange> | null;
}

export interface Update {
  /** Files to send. */
  readonly send: readonly string[];
  /** Files to remove. */
  readonly remove: readonly string[];
  /** The guest's own work that would be lost. */
  readonly lost: readonly string[];
}

/** What the guest made new stays where the host has nothing of that name. */
export function planUpdate({ givenToGuest, guestToWanted, guestToPending }: Differences): Update {
  const send: string[] = [];
  const remove: string[] = [];
  const lost: string[] = [];
  for (const [path, { kind }] of guestToWanted) {
    const own = givenToGuest.get(path);
    if (own?.kind === "added" && kind === "deleted") continue;
    (kind === "deleted" ? remove : send).push(path);
    const half = guestToPending !== null && !guestToPending.has(path);
    if (own && !half) lost.push(path);
  }
  return { send, remove, lost };
}
