/** Measuring: interleaved runs, medians, and what a row of the report is. */

/** One promise about speed. */
export interface Row {
  readonly name: string;
  readonly n: number;
  /** What was measured, with its unit. */
  readonly ours: string;
  /** What it is compared with; empty when the number stands for itself. */
  readonly theirs: string;
  readonly ratio: number;
  readonly target: string;
  readonly ok: boolean;
}

/** Milliseconds that `work` takes. */
export async function time(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = 0, high = 0] = [sorted[middle - 1], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

type Ways<K extends string> = Readonly<Record<K, () => Promise<unknown>>>;

/** Medians of several ways to do a thing, run in turns so that a slow minute hits all of them; each is warmed up once. */
export async function compare<K extends string>(n: number, ways: Ways<K>): Promise<Record<K, number>> {
  for (const name of Object.keys(ways) as K[]) await ways[name]();
  return inTurns(n, ways, () => {});
}

/** The same of what takes minutes, and is no faster the second time: not warmed up, and each time is told at once. */
export function compareLong<K extends string>(n: number, ways: Ways<K>): Promise<Record<K, number>> {
  return inTurns(n, ways, (name, taken) => console.error(`  ${name}: ${ms(taken)}`));
}

async function inTurns<K extends string>(
  n: number,
  ways: Ways<K>,
  tell: (name: K, taken: number) => void,
): Promise<Record<K, number>> {
  const names = Object.keys(ways) as K[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<K, number[]>;
  for (let round = 0; round < n; round++) {
    for (const name of names) {
      const taken = await time(ways[name]);
      tell(name, taken);
      times[name].push(taken);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times[name])])) as Record<K, number>;
}

export const ms = (value: number) => (value < 100 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`);

const MAX_GROWTH = 50_000_000;

/** Memory before and after; it may grow by 50 MB. */
export function growth(name: string, n: number, before: number, after: number): Row {
  const mb = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`;
  return {
    name,
    n,
    ours: mb(after),
    theirs: `${mb(before)} before`,
    ratio: after / before,
    target: "< 50 MB more",
    ok: after - before < MAX_GROWTH,
  };
}
