/** Repositories to measure with, the same every time: many small files, very many, and a large one with history. */
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { SeededRandom } from "../support/random.ts";
import { git } from "../support/repository.ts";

const MB = 1_000_000;

export interface Sample {
  readonly name: string;
  readonly folder: string;
  /** Measurements that make a median. */
  readonly rounds: number;
  /** A tracked file, to be edited. */
  readonly file: string;
}

/** What can be made below `home`; the last takes most of a minute. */
export const SAMPLES = {
  small: { name: "1,000 small files", files: 1000, bytes: 2000, commits: 20, changed: 20, rounds: 5 },
  many: { name: "20,000 files", files: 20_000, bytes: 2000, commits: 12, changed: 50, rounds: 1 },
  large: { name: "500 MB with history", files: 50, bytes: 8 * MB, commits: 13, changed: 1, rounds: 1 },
} as const satisfies Record<string, Shape>;

interface Shape {
  readonly name: string;
  readonly files: number;
  /** Of a file. */
  readonly bytes: number;
  readonly commits: number;
  /** Files that each further commit changes. */
  readonly changed: number;
  /** Measurements that make a median. */
  readonly rounds: number;
}

export function makeSample(home: string, shape: Shape): Sample {
  const folder = mkdtempSync(join(home, "sample-"));
  const random = new SeededRandom(shape.files);
  const path = (n: number) => `src/d${n % 97}/e${n % 7}/file${n}.txt`;
  const write = (n: number) => {
    const target = join(folder, path(n));
    mkdirSync(dirname(target), { recursive: true });
    // Text as base64 is: packs to three quarters, as sources at their worst.
    writeFileSync(target, random.bytes(Math.ceil((shape.bytes * 3) / 4)).toString("base64"));
  };
  git(folder, "init", "-q", "-b", "main");
  git(folder, "config", "core.looseCompression", "0");
  git(folder, "config", "gc.auto", "0");
  for (let n = 0; n < shape.files; n++) write(n);
  for (let round = 0; round < shape.commits; round++) {
    for (let n = 0; round > 0 && n < shape.changed; n++) write(random.below(shape.files));
    git(folder, "add", "-A");
    git(folder, "commit", "-q", "-m", `round ${round}`);
  }
  git(folder, "-c", "pack.compression=1", "repack", "-adq", "--window=0");
  return { name: shape.name, folder, rounds: shape.rounds, file: join(folder, path(0)) };
}
