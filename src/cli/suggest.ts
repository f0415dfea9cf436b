/** "Did you mean": the known words nearest to one that is not known. */

/** Names within a third of their length in edits, nearest first; also the names that continue the word. */
export function nearest(word: string, names: readonly string[]): string[] {
  return names
    .map((name) => ({
      name,
      distance: name.startsWith(word) && word.length > 1 ? 1 : editDistance(word, name),
    }))
    .filter(
      ({ name, distance }) => distance <= Math.max(1, Math.floor(Math.max(name.length, word.length) / 3)),
    )
    .sort((a, b) => a.distance - b.distance || a.name.localeCompare(b.name))
    .slice(0, 3)
    .map(({ name }) => name);
}

/** `did you mean a, b or c?`, or the fallback when nothing is near. */
export function didYouMean(word: string, names: readonly string[], fallback: string): string {
  const near = nearest(word, names);
  if (near.length === 0) return fallback;
  const [last = "", ...others] = near.toReversed();
  return `did you mean ${others.length > 0 ? `${others.toReversed().join(", ")} or ` : ""}${last}?`;
}

/** Optimal string alignment: insertions, deletions, substitutions, and swaps of neighbours. */
function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  const at = (i: number, j: number) => rows[i]?.[j] ?? 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(at(i - 1, j) + 1, (row[j - 1] ?? 0) + 1, at(i - 1, j - 1) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, at(i - 2, j - 2) + 1);
      }
      row.push(best);
    }
  }
  return at(a.length, b.length);
}
