/** Random bytes that are the same for the same seed, so that what a fuzz test finds can be found again. */
import { createCipheriv } from "node:crypto";

export class SeededRandom {
  readonly #stream;

  constructor(seed: number) {
    const key = Buffer.alloc(16);
    key.writeUInt32LE(seed);
    this.#stream = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  }

  bytes(length: number): Buffer {
    return this.#stream.update(Buffer.alloc(length));
  }

  /** 0 ≤ result < limit. */
  below(limit: number): number {
    return this.bytes(4).readUInt32LE() % limit;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }
}

/**
 * Calls `attempt` with a new seed each time until the time is up. `BANGER_FUZZ_SEED` repeats one seed,
 * `BANGER_FUZZ_MS` gives more time.
 * @returns number of attempts
 */
export async function fuzz(
  defaultMs: number,
  attempt: (random: SeededRandom) => void | Promise<void>,
): Promise<number> {
  const { BANGER_FUZZ_SEED: only, BANGER_FUZZ_MS: ms = defaultMs } = process.env;
  const end = Date.now() + Number(ms);
  const first = only === undefined ? Date.now() % 1_000_000_000 : Number(only);
  let seed = first;
  do {
    try {
      await attempt(new SeededRandom(seed));
    } catch (error) {
      throw new Error(`with BANGER_FUZZ_SEED=${seed}`, { cause: error });
    }
    seed++;
  } while (only === undefined && Date.now() < end);
  return seed - first;
}
